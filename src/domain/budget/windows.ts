/**
 * Windows of budgets: calendar hours, days and months in UTC. The start of a window stands in the key of its ledger, so
 * that a new window is a new key, and whoever comes back to an old one finds what was spent in it.
 */
import { limits } from '../../wire/limits.js';

/** The windows that have a ledger. */
export const WINDOWS = ['hour', 'day', 'month'] as const;

/** One of them. */
export type Window = (typeof WINDOWS)[number];

/** A window in time. */
export interface Span {
  /** Its start in UTC, as it stands in keys: `2026112113`, `20261121`, `202611`. */
  readonly start: string;
  readonly fromMs: number;
  /** The first instant that is not part of it. */
  readonly endsMs: number;
}

/** The window that an instant lies in. */
export function spanOf(window: Window, nowMs: number): Span {
  const at = new Date(nowMs);
  const [year, month, day, hour] = [at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate(), at.getUTCHours()];
  const start = at.toISOString().replace(/\D/g, '');
  switch (window) {
    case 'hour':
      return spanFrom(
        start.slice(0, 10),
        Date.UTC(year, month, day, hour),
        Date.UTC(year, month, day, hour + 1),
      );
    case 'day':
      return spanFrom(start.slice(0, 8), Date.UTC(year, month, day), Date.UTC(year, month, day + 1));
    case 'month':
      return spanFrom(start.slice(0, 6), Date.UTC(year, month), Date.UTC(year, month + 1));
  }
}

/**
 * The windows that this process is in. A clock that steps back a little does not lead back into a window that has
 * ended: what it had left was given up. After a larger step (`budgetStepMs`) the clock is followed, because it is the
 * forward step that was wrong; the ledger of that window still holds what was spent.
 */
export class Calendar {
  readonly #spans = new Map<Window, Span>();

  /** The window to spend from. */
  spanAt(window: Window, nowMs: number): Span {
    const last = this.#spans.get(window);
    if (last !== undefined && nowMs < last.endsMs && nowMs >= last.fromMs - limits.budgetStepMs) {
      return last;
    }
    const span = spanOf(window, nowMs);
    this.#spans.set(window, span);
    return span;
  }
}

function spanFrom(start: string, fromMs: number, endsMs: number): Span {
  return { start, fromMs, endsMs };
}

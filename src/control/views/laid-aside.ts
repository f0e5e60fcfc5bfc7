/**
 * Calls that lie in a stream of their own, filtered as a view asks, a page at a time.
 */
import type { Stored } from '../../fabric/reader.js';
import type { View } from '../../wire/generated/messages.js';
import { meshError } from '../../wire/errors.js';
import { limits } from '../../wire/limits.js';
import { isPattern, matches } from '../../wire/names.js';
import type { Control } from '../core.js';
import { fit, type Budget } from './bounds.js';

/** What filters look at. */
interface Row {
  readonly seq: number;
  readonly from: string;
  readonly call: string;
  readonly capability: string;
  /** When it came to lie there, in epoch ms. */
  readonly at: number;
}

/** A page of rows; `next` is where the following one begins, when there is more. */
export interface Cut<R> {
  readonly rows: R[];
  readonly next?: number;
}

/** Rows that fit, the oldest first. Throws name_invalid. */
export async function laidAside<R extends Row>(
  control: Control,
  budget: Budget,
  stream: 'DEAD' | 'PARKED',
  subjects: string,
  view: View,
  rowOf: (m: Stored) => R | undefined,
): Promise<Cut<R>> {
  if (view.pattern !== undefined && !isPattern(view.pattern)) {
    throw meshError('name_invalid', { value: JSON.stringify(view.pattern.slice(0, 80)), where: 'pattern' });
  }
  const found: R[] = [];
  const { limit = limits.viewRows, after = 0 } = view;
  let cut = false;
  let seen = after;
  const from = after === 0 ? {} : { startSeq: after + 1 };
  await budget.scan(control, stream, { headersOnly: true, filter: subjects, ...from }, (m) => {
    const row = rowOf(m);
    if (row !== undefined && fits(row, view)) {
      cut = found.length >= limit;
      if (!cut) {
        found.push(row);
      }
    }
    seen = cut ? seen : m.seq;
    return cut ? false : undefined;
  });
  const { rows, cut: long } = fit(found);
  return long || cut || budget.truncated
    ? { rows, next: long ? (rows.at(-1)?.seq ?? seen) : seen }
    : { rows };
}

function fits(row: Row, { from, call, pattern, before, since }: View): boolean {
  return (
    (from ?? row.from) === row.from &&
    (call ?? row.call) === row.call &&
    (pattern === undefined || matches(pattern, row.capability)) &&
    (before === undefined || row.at < before) &&
    (since === undefined || row.at >= since)
  );
}

/** How a page says that it is not the last one. */
export function more(next: number | undefined): { truncated?: true; next?: number } {
  return next === undefined ? {} : { truncated: true, next };
}

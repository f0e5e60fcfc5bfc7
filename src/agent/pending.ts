/**
 * Calls that wait for their outcome, with one sweep for those that hear nothing.
 */
import type { MeshError } from '../wire/errors.js';
import type { Outcome } from './options.js';
import type { PartsIn } from './parts-in.js';
import type { Running } from './spans.js';

/** One waiting call. */
export interface Pending {
  readonly id: string;
  /** The caller chose the id: another call may have used it before. */
  readonly chosen: boolean;
  readonly capability: string;
  readonly deadline: number;
  /** How long after the deadline the mesh may still keep its promise (D1). */
  readonly graceMs: number;
  /** Instant until which the mesh must have accepted it. */
  readonly acceptUntil: number;
  readonly to: string;
  readonly body: Uint8Array;
  /** Digest of a body that lies in the store. */
  readonly bodyDigest: string | undefined;
  readonly headers: string;
  readonly span: Running | undefined;
  readonly resolve: (outcome: Outcome<unknown>) => void;
  readonly reject: (error: MeshError) => void;
  /** The publish was acknowledged: exactly one outcome will follow. */
  accepted: boolean;
  tries: number;
  looks: number;
  /** Instant of the next look (epoch ms). */
  nextMs: number;
  cleanUp: (() => void) | undefined;
  /** Partial outputs and questions, when somebody wants them. */
  readonly parts: PartsIn | undefined;
  /** Told once the call is accepted, when that is all that is waited for. */
  readonly onAccepted: (() => void) | undefined;
}

const SWEEP_MS = 250;

/** The waiting calls of one connection. */
export class PendingCalls {
  readonly #calls = new Map<string, Pending>();
  readonly #onSilence: (p: Pending) => void;
  readonly #timer: NodeJS.Timeout;

  constructor(onSilence: (p: Pending) => void) {
    this.#onSilence = onSilence;
    this.#timer = setInterval(() => this.#sweep(Date.now()), SWEEP_MS);
    this.#timer.unref();
  }

  get size(): number {
    return this.#calls.size;
  }

  add(p: Pending, nextMs: number): void {
    p.nextMs = nextMs;
    this.#calls.set(p.id, p);
  }

  get(id: string): Pending | undefined {
    return this.#calls.get(id);
  }

  has(p: Pending): boolean {
    return this.#calls.get(p.id) === p;
  }

  /** Look at it again at this instant. */
  again(p: Pending, nextMs: number): void {
    p.nextMs = nextMs;
  }

  remove(p: Pending): void {
    if (this.has(p)) {
      this.#calls.delete(p.id);
    }
    p.cleanUp?.();
  }

  values(): Pending[] {
    return [...this.#calls.values()];
  }

  /** Reject all, and sweep no more. */
  close(error: MeshError): void {
    clearInterval(this.#timer);
    for (const p of this.values()) {
      this.remove(p);
      p.span?.end(error.code);
      p.reject(error);
    }
  }

  #sweep(nowMs: number): void {
    for (const p of this.#calls.values()) {
      if (p.nextMs <= nowMs) {
        p.nextMs = Number.POSITIVE_INFINITY; // until the recall says when to look again
        this.#onSilence(p);
      }
    }
  }
}

/** Call `cancel` when one of the signals is aborted, as long as the call waits. */
export function cancelOnAbort(
  p: Pending,
  cancel: () => void,
  signals: readonly (AbortSignal | undefined)[],
): void {
  const live = signals.filter((s) => s !== undefined);
  if (live.length > 0) {
    live.forEach((s) => s.addEventListener('abort', cancel, { once: true }));
    p.cleanUp = () => live.forEach((s) => s.removeEventListener('abort', cancel));
    if (live.some((s) => s.aborted)) {
      cancel();
    }
  }
}

/**
 * When a call that failed is tried again: bounds by capability, from the policy, and what keeps retries a part of the
 * traffic.
 */
import { errorTable } from '../../wire/generated/errors.js';
import type { ErrorCode } from '../../wire/errors.js';
import { limits } from '../../wire/limits.js';
import { ByPattern } from './by-pattern.js';

/** What the policy says of capabilities under one pattern. */
export interface RetrySource {
  readonly attempts?: number | undefined;
  readonly of?: RetryRules['of'] | undefined;
  readonly backoff?: number | undefined;
  readonly backoffMax?: number | undefined;
  readonly budget?: number | undefined;
}

/** The retries of one capability. Times in ms. */
export interface RetryRules {
  /** Dispatches at most, the first one included. */
  readonly attempts: number;
  /** Which failures are tried again: those that may pass by themselves, or any that is the agent's. */
  readonly of: 'transient' | 'any';
  readonly backoff: number;
  readonly backoffMax: number;
  /** Retries at most, in percent of the calls. */
  readonly budget: number;
}

/** What counts where the policy says nothing of it. */
export const retryDefaults = {
  attempts: 3,
  of: 'transient',
  backoff: 50,
  backoffMax: 2_000,
  budget: 20,
} as const;

/** The retries by capability; undefined where the policy wants none. */
export function retriesOf(
  sources: Readonly<Record<string, RetrySource>> = {},
): ByPattern<RetryRules | undefined> {
  const d = retryDefaults;
  const entries = Object.entries(sources).map(([pattern, said]): [string, RetryRules] => {
    const backoff = said.backoff ?? d.backoff;
    return [
      pattern,
      {
        attempts: said.attempts ?? d.attempts,
        of: said.of ?? d.of,
        backoff,
        backoffMax: said.backoffMax ?? Math.max(backoff, d.backoffMax),
        budget: said.budget ?? d.budget,
      },
    ];
  });
  return new ByPattern(entries, undefined);
}

/** What cannot be meant: key below `retries`, and why. */
export function retryTroubles(
  sources: Readonly<Record<string, RetrySource>>,
): (readonly [where: string, why: string])[] {
  return Object.entries(sources).flatMap(([pattern, { backoff = retryDefaults.backoff, backoffMax }]) =>
    backoffMax !== undefined && backoffMax < backoff
      ? [[`${pattern}.backoffMax`, `it is shorter than backoff (${backoff} ms)`] as const]
      : [],
  );
}

/** Is this failure one that is tried again? What the caller sent, or the mesh decided, never is. */
export function isRetried(code: ErrorCode, of: RetryRules['of']): boolean {
  const row = errorTable[code];
  return row.class === 'agent' && (of === 'any' || row.retry === 'later');
}

/** How long to wait after so many dispatches, in ms: doubling, capped, with jitter in its upper half; `chance` is in [0, 1). */
export function retryMs(dispatches: number, { backoff, backoffMax }: RetryRules, chance: number): number {
  const full = Math.min(backoffMax, backoff * 2 ** Math.min(20, Math.max(0, dispatches - 1)));
  return Math.round(full / 2 + (full / 2) * chance);
}

/** A part of the traffic: each call earns a part of what may be taken, and a quiet time saves up a few. */
export class Allowance {
  #saved: number = limits.retryBurst;

  /** A call was made; `percent` of one may be taken for it. */
  earn(percent: number): void {
    this.#saved = Math.min(limits.retryBurst, this.#saved + percent / 100);
  }

  /** Take one, if there is one. */
  take(): boolean {
    if (this.#saved < 1) {
      return false;
    }
    this.#saved -= 1;
    return true;
  }
}

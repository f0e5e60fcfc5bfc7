/**
 * When a call that failed is tried again: bounds by capability, from the policy, and what keeps retries a part of the
 * traffic.
 */
import { errorTable } from '../../wire/generated/errors.js';
import type { ErrorCode } from '../../wire/errors.js';
import { limits } from '../../wire/limits.js';
import { parseDuration } from '../config/duration.js';
import { ByPattern } from './by-pattern.js';

/** What the policy says of capabilities under one pattern. */
export interface RetrySource {
  readonly attempts?: number | undefined;
  readonly of?: RetryRules['of'] | undefined;
  readonly backoff?: number | undefined;
  readonly backoffMax?: number | undefined;
  readonly budget?: number | undefined;
  readonly hedge?: HedgeSource | undefined;
}

/** What it says of second dispatches beside a slow one. */
export interface HedgeSource {
  readonly after?: string | undefined;
  readonly share?: number | undefined;
}

/** When a call is given to a second agent beside the first. */
export interface HedgeRules {
  /** In ms; undefined: when it takes longer than 95 percent of the attempts do. */
  readonly after: number | undefined;
  /** Such calls at most, in percent of all. */
  readonly share: number;
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
  /** Undefined: no second agent works beside the first. */
  readonly hedge: HedgeRules | undefined;
}

/** What counts where the policy says nothing of it. */
export const retryDefaults = {
  attempts: 3,
  of: 'transient',
  backoff: 50,
  backoffMax: 2_000,
  budget: 20,
  hedge: { after: 'p95', share: 5 },
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
        hedge: said.hedge === undefined ? undefined : hedgeOf(said.hedge),
      },
    ];
  });
  return new ByPattern(entries, undefined);
}

/** What cannot be meant: key below `retries`, and why. */
export function retryTroubles(
  sources: Readonly<Record<string, RetrySource>>,
): (readonly [where: string, why: string])[] {
  return Object.entries(sources).flatMap(([pattern, said]) =>
    wrong(said).map(([key, why]) => [`${pattern}.${key}`, why] as const),
  );
}

function wrong({
  backoff = retryDefaults.backoff,
  backoffMax,
  attempts,
  hedge,
}: RetrySource): [string, string][] {
  const list: [string, string][] = [];
  if (backoffMax !== undefined && backoffMax < backoff) {
    list.push(['backoffMax', `it is shorter than backoff (${backoff} ms)`]);
  }
  if (hedge !== undefined && attempts === 1) {
    list.push(['hedge', 'attempts: 1 leaves no dispatch for it']);
  }
  const after = hedge === undefined ? undefined : hedgeOf(hedge).after;
  if (after !== undefined && !(after >= 1 && after <= limits.hedgeMaxMs)) {
    list.push(['hedge.after', `it must be from 1 to ${limits.hedgeMaxMs} ms`]);
  }
  return list;
}

function hedgeOf({ after = retryDefaults.hedge.after, share }: HedgeSource): HedgeRules {
  const ms = /^\d+$/.test(after) ? Number(after) : parseDuration(after);
  return { after: after === 'p95' ? undefined : ms, share: share ?? retryDefaults.hedge.share };
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

  /** Is there one? */
  get any(): boolean {
    return this.#saved >= 1;
  }

  /** Take one, if there is one. */
  take(): boolean {
    if (!this.any) {
      return false;
    }
    this.#saved -= 1;
    return true;
  }
}

/**
 * What a breaker says of one call, as its gateway knows it.
 */
import { shareOf, type BreakerRecord } from './breaker.js';
import type { Kept } from './breaker-index.js';
import type { BreakerRules } from './breaker-rules.js';
import type { Behind } from './behind.js';

/** What it needs. `put` stores if `revision` still stands there (0: nothing), and tells the new one. */
export interface BreakerWorld {
  /** Milliseconds that only grow. */
  readonly now: () => number;
  /** Epoch ms, for people. */
  readonly wall: () => number;
  readonly put: (key: string, record: BreakerRecord, revision: number) => Promise<number | undefined>;
  readonly rulesOf: (capability: string) => BreakerRules | undefined;
}

/** What the choice of an instance asks. */
export interface Candidate {
  readonly agent: string;
  readonly inFlight: number;
  readonly concurrency: number;
}

/** What tells one decision of a call from another one. */
export interface Taken {
  readonly nonce: string;
  readonly agent: string;
  readonly capability: string;
  readonly from: string;
  /** `from.call` of the root. */
  readonly root: string;
}

/** Does it let nothing of these through? Half-open it lets one through, where its probe is, and who failed last waits. */
export function isOut({ record, permit }: Kept, { principal }: Behind, nowMs: number): boolean {
  if (record.state !== 'half-open' || permit === undefined) {
    return record.state !== 'closed';
  }
  const turn = record.prober !== principal || nowMs >= permit.rotateMs;
  return permit.nonce !== undefined || nowMs >= permit.untilMs || !turn;
}

/** Closed again: may the candidate have one more, while traffic grows? */
export function mayGrow({ record, heardMs }: Kept, candidate: Candidate, nowMs: number): boolean {
  const share = record.state === 'closed' ? shareOf(record, nowMs - heardMs) : 1;
  return share >= 1 || candidate.inFlight < Math.max(1, Math.ceil(candidate.concurrency * share));
}

/**
 * Verdicts: what a guard, and the whole chain, can say.
 */
import type { MeshError } from '../wire/errors.js';
import type { Approval } from '../domain/approvals.js';
import type { Entry } from '../domain/registry.js';
import type { Ask } from '../domain/reviews.js';
import type { Instance } from '../domain/roster.js';
import type { Draft, World } from './draft.js';

/** The outcome status that a refusal becomes: governance said no, or the time was over before it was decided. */
export type DenyStatus = 'refused' | 'expired';

/** No. The handler never runs. */
export interface Deny {
  readonly verdict: 'deny';
  readonly status: DenyStatus;
  readonly error: MeshError;
}

/** Not yet: it waits for something and is asked again. */
export type Hold =
  | { readonly verdict: 'hold'; readonly why: 'capacity' }
  /** The ledger is asked for what this node lacks. */
  | { readonly verdict: 'hold'; readonly why: 'budget'; readonly node: string }
  | { readonly verdict: 'hold'; readonly why: 'rate' }
  | { readonly verdict: 'hold'; readonly why: 'approval'; readonly approval: Approval }
  /** Reviewing agents are asked first. `digest` stands for everything that they are asked about. */
  | {
      readonly verdict: 'hold';
      readonly why: 'review';
      readonly asks: readonly Ask[];
      readonly digest: string;
    };

/** What the chain says of a call that reviewing agents are asked about. */
export type ReviewHold = Extract<Hold, { why: 'review' }>;

/** A guard says nothing (allow), no, or not yet. */
export type Verdict = undefined | Deny | Hold;

/**
 * One guard. Synchronous and without effects: it reads the draft and the world, and fills in what it has proven.
 */
export interface Guard {
  readonly name: string;
  readonly check: (draft: Draft, world: World) => Verdict;
}

declare const admitted: unique symbol;
/** A call that passed every guard. Only the chain makes one, and dispatch takes nothing else. */
export type AdmittedCall = Draft & {
  readonly entry: Entry;
  readonly instance: Instance;
  readonly [admitted]: true;
};

/** Say no. */
export function deny(error: MeshError, status: DenyStatus = 'refused'): Deny {
  return { verdict: 'deny', status, error };
}

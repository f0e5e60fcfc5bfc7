/**
 * What a purse is asked and what it answers.
 */
import type { Amounts } from './amounts.js';
import type { Share } from './share.js';

/** Where to reserve. */
export interface PurseNode {
  readonly key: string;
  readonly limit: Amounts;
  readonly endsMs: number;
}

/** What one decision reserved. */
export interface Reservation {
  readonly purse: string;
  readonly shares: readonly Share[];
  readonly amounts: Amounts;
  /** Sequences of the decisions that stand for it; none yet: on its way. */
  seqs: number[];
  open: boolean;
}

/** Why something does not fit. `dry`: nobody has it. `draw`: the ledger was not asked yet, or its answer is awaited. */
export interface Lack {
  readonly key: string;
  readonly why: 'draw' | 'dry' | 'closed';
  readonly have: Amounts;
  readonly node: PurseNode;
}

/** What must survive the gateway: totals by node, and which decisions are in them. */
export interface Checkpoint {
  /** Decisions of this purse at or below it are in the totals, unless they are open. */
  readonly high: number;
  readonly open: readonly number[];
  /** Decisions above `high` that are in the totals. */
  readonly done: readonly number[];
  /** What was settled, owed, and is reserved, by node. */
  readonly nodes: Readonly<Record<string, PurseTotals>>;
}

/** Totals of a purse in one node since it began, and what is reserved in it now. */
export interface PurseTotals {
  readonly s: Amounts;
  readonly d?: Amounts;
  readonly r?: Amounts;
}

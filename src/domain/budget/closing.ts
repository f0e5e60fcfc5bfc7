/**
 * Closing a purse whose gateway spends from it no more: what it had settled in all, and what its open calls still have
 * reserved, from its last checkpoint and the log after it.
 */
import { add, addCapped, ZERO, type Amounts } from './amounts.js';
import { countingOf, portionOf, type DecisionBudget, type OutcomeCharge } from './portions.js';
import type { Checkpoint, PurseTotals } from './reservation.js';

/** An allowed decision as the log has it. */
export interface LoggedDecision {
  readonly seq: number;
  /** `from.call` */
  readonly call: string;
  readonly budget: DecisionBudget;
  /** Until when its outcome may come, in epoch ms. */
  readonly expires: number;
}

/** What is known of the outcome of a call: nothing yet, or that there is one, with or without a charge. */
export type Settled = { readonly charged: OutcomeCharge | undefined } | undefined;

/** What is left of a purse. */
export interface Closing {
  readonly nodes: Readonly<Record<string, Required<PurseTotals>>>;
  /** Decisions that are not settled; their reservations stay. */
  readonly left: readonly LoggedDecision[];
}

/** Sequences that the log is read from, and those that are read one by one. */
export function wantedOf({ high, open }: Checkpoint): {
  readonly from: number;
  readonly open: readonly number[];
} {
  return { from: high + 1, open: open.filter((seq) => seq <= high) };
}

/**
 * What the log says of a purse. `decisions` are those after the checkpoint and those that were open in it, of all
 * purses: a decision that a later one of the same call replaced counts no more. `outcomeOf` tells what became of a
 * call.
 */
export function tally(
  purse: string,
  checkpoint: Checkpoint,
  decisions: readonly LoggedDecision[],
  outcomeOf: (call: string) => Settled,
): Closing {
  const open = new Set(checkpoint.open);
  const done = new Set(checkpoint.done);
  const newest = new Map<string, LoggedDecision>();
  for (const one of decisions) {
    const known = newest.get(one.call);
    newest.set(one.call, known === undefined || known.seq < one.seq ? one : known);
  }
  const nodes = new Map<string, Required<PurseTotals>>();
  for (const [key, { s, d = ZERO }] of Object.entries(checkpoint.nodes)) {
    nodes.set(key, { s, d, r: ZERO });
  }
  const left: LoggedDecision[] = [];
  for (const one of decisions) {
    const mine = one.budget.purse === purse && !done.has(one.seq);
    if (!mine || (one.seq <= checkpoint.high && !open.has(one.seq))) {
      continue;
    }
    const settled = outcomeOf(one.call);
    const last = newest.get(one.call) ?? one;
    if (!countingOf(last.seq, last.budget).includes(one.seq)) {
      continue; // replaced because it surely never ran: the one that replaced it counts
    }
    if (settled === undefined) {
      left.push(one);
    }
    const { charged, debt } =
      settled === undefined ? { charged: ZERO, debt: ZERO } : portionOf(one.seq, one.budget, settled.charged);
    for (const key of one.budget.nodes) {
      const at = nodes.get(key) ?? { s: ZERO, d: ZERO, r: ZERO };
      const r: Amounts = settled === undefined ? add(at.r, one.budget.reserve) : at.r;
      nodes.set(key, { s: add(at.s, charged), d: addCapped(at.d, debt), r });
    }
  }
  return { nodes: Object.fromEntries(nodes), left };
}

/** The checkpoint of a purse that is being closed: what is settled is in the totals, what is left is open. */
export function checkpointOf({ nodes, left }: Closing, high: number): Checkpoint {
  return { high, open: left.map(({ seq }) => seq), done: [], nodes };
}

/**
 * What of a call's charge falls on each of its decisions. A call may have several that count: each attempt that was
 * lost keeps what it reserved, because it may have run. Whoever settles lists them; whoever reads the log later comes
 * to the same sums.
 */
import { limits } from '../../wire/limits.js';
import { add, excess, smaller, within, ZERO, type Amounts } from './amounts.js';

/** What a decision record says of money. */
export interface DecisionBudget {
  /** The purse it was reserved in. */
  readonly purse: string;
  /** Keys of the nodes it was reserved in. */
  readonly nodes: readonly string[];
  readonly reserve: Amounts;
  /** Reserved by decisions of the same call that were made before and still count; and their sequences. */
  readonly before?: Amounts;
  readonly earlier?: readonly number[];
}

/** What an outcome record says of money. */
export interface OutcomeCharge {
  readonly amounts: Amounts;
  /** The decisions it is for, oldest first. */
  readonly seqs: readonly number[];
}

/** What a decision was charged, and what was used beyond all that was reserved. */
export interface Portion {
  readonly charged: Amounts;
  readonly debt: Amounts;
}

const NONE: Portion = { charged: ZERO, debt: ZERO };
const { budgetDebt } = limits;
const MOST: Amounts = { micros: budgetDebt, tokens: budgetDebt, computeMs: budgetDebt };

/**
 * The portion of the decision `seq`. Without a charge, or when the one who settled did not know of this decision, it is
 * all that was reserved: it may have run. A decision that another one replaced is charged nothing.
 */
export function portionOf(
  seq: number,
  { reserve, before = ZERO }: Pick<DecisionBudget, 'reserve' | 'before'>,
  charge: OutcomeCharge | undefined,
): Portion {
  const last = charge?.seqs.at(-1) ?? 0;
  if (charge === undefined || seq > last) {
    return { charged: reserve, debt: ZERO };
  }
  if (!charge.seqs.includes(seq)) {
    return NONE;
  }
  const mine = excess(charge.amounts, before);
  return { charged: smaller(mine, reserve), debt: seq === last ? within(excess(mine, reserve), MOST) : ZERO };
}

/** The decisions of a call that still count, by its newest one: one that surely never ran is replaced by the next. */
export function countingOf(seq: number, { earlier = [] }: DecisionBudget): readonly number[] {
  return [...earlier, seq];
}

/** What a further decision says of those before it: `kept` when the last one may have run. */
export function afterOf(
  seq: number,
  { before = ZERO, earlier = [], reserve }: DecisionBudget,
  kept: boolean,
): Pick<DecisionBudget, 'before' | 'earlier'> {
  if (kept) {
    return { before: add(before, reserve), earlier: [...earlier, seq] };
  }
  return earlier.length === 0 ? {} : { before, earlier };
}

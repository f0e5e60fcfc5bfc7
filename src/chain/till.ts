/**
 * What the chain sees of budgets: what a gateway has to spend, and what a call would reserve of it.
 */
import type { Amounts } from '../domain/budget/amounts.js';
import type { BudgetNode, Envelope, SetLimits } from '../domain/budget/plan.js';
import type { Lack } from '../domain/budget/reservation.js';

/** What a gateway has to spend. No effects. */
export interface Till {
  /** Limits that were set at run time. */
  readonly set: SetLimits | undefined;
  /** Why so much cannot be reserved in these nodes now; undefined: it can. */
  lack(nodes: readonly BudgetNode[], amounts: Amounts): Lack | Away | undefined;
}

/** Nothing can be reserved: the ledger is out of reach, or this gateway cannot be sure of its purse. */
export interface Away {
  readonly key: string;
  /** `soon`: it is not so for long yet. */
  readonly why: 'soon' | 'away';
}

/** What a call would reserve, and where. */
export interface Budgeted {
  readonly reserve: Amounts;
  readonly nodes: readonly BudgetNode[];
  readonly allowed: Amounts | undefined;
  /** The envelopes above it, outermost first. */
  readonly envelopes: readonly Envelope[] | undefined;
  /** The one that it opens. */
  readonly own: Envelope | undefined;
}

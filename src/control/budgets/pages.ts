/**
 * What the views of budgets answer.
 */
import type { Amounts } from '../../domain/budget/amounts.js';
import type { BudgetEvent, PutOut } from '../../domain/budget/orders.js';
import type { Level } from '../../domain/budget/thresholds.js';
import type { Page } from '../views/pages.js';

/** One window of a budget, or the envelope of a tree. */
export interface BudgetRow {
  readonly key: string;
  readonly limit: Amounts;
  readonly spent: Amounts;
  /** In the hands of gateways: reserved by open calls, or about to be. */
  readonly held: Amounts;
  /** What nobody has. */
  readonly left: Amounts;
  readonly endsMs: number;
  /** What was used beyond what was reserved. */
  readonly debt?: Amounts;
  /** Debt has closed it. */
  readonly closed?: true;
  /** The gravest that it has reached. */
  readonly level?: Level;
  /** Its limit was set at run time. */
  readonly set?: { readonly by: string; readonly at: number; readonly why?: string };
}

/** View `budgets`. `off`: the policy names none. */
export interface BudgetPage extends Page {
  readonly budgets: readonly BudgetRow[];
  /** What happened, the newest last. */
  readonly events: readonly BudgetEvent[];
  /** Agents that nothing is sent to. */
  readonly out: readonly PutOut[];
  readonly off?: true;
}

/** One node of the ledger, held against the log. */
export interface ReconcileRow {
  readonly key: string;
  /** What the ledger says is spent. */
  readonly ledger: Amounts;
  /** What the outcomes in the log come to. */
  readonly log: Amounts;
  /** Reserved by calls without an outcome. */
  readonly open: Amounts;
  /** Reserved by calls whose outcome is so old that the register has dropped it. */
  readonly forgotten?: Amounts;
  readonly calls: number;
  /** The log reaches back to the beginning of its window. Otherwise it may say less than the ledger. */
  readonly whole: boolean;
  readonly agrees: boolean;
}

/** View `reconcile`. `since`: epoch ms of the first decision that the log still has; 0: it has all. */
export interface ReconcilePage extends Page {
  readonly nodes: readonly ReconcileRow[];
  readonly since: number;
}

/**
 * View of budgets: what each may spend, has spent, has reserved and has left.
 */
import { ZERO, isZero, type Amounts } from '../../domain/budget/amounts.js';
import { leftOf, named, type NodeRecord } from '../../domain/budget/node-record.js';
import { standingOf, thresholdsOf } from '../../domain/budget/orders.js';
import { levelsOf } from '../../domain/budget/thresholds.js';
import { spanOf } from '../../domain/budget/windows.js';
import { limits } from '../../wire/limits.js';
import { matches } from '../../wire/names.js';
import type { View } from '../../wire/generated/messages.js';
import type { Control } from '../core.js';
import { fit, mark } from '../views/bounds.js';
import type { BudgetPage, BudgetRow } from './pages.js';
import type { Books } from './books.js';

/** Windows that are open, and of trees and past windows what the view asks for. */
export function viewBudgets(control: Control, books: Books, view: View): BudgetPage {
  const nowMs = Date.now();
  const wanted = wantedBy(view);
  const known = openNodes(books, view, nowMs).map((key) => budgetRow(control, books, key));
  const unspent = namedRows(control, books, nowMs).filter(
    ({ key }) => wanted(key) && books.node(key) === undefined,
  );
  const rows = [...known, ...unspent].toSorted((a, b) => (a.key < b.key ? -1 : 1));
  const events = books.events().filter(({ node }) => wanted(node));
  const { rows: shown, cut } = fit(rows.slice(0, view.limit ?? limits.viewRows));
  const off = control.policy.budgets === undefined;
  return {
    budgets: shown,
    events: events.slice(-limits.viewRows / 10),
    out: books.orders.out(nowMs),
    ...(off ? { off } : {}),
    ...mark(cut || rows.length > shown.length),
  };
}

/** Keys of the nodes that a view asks for: those of windows that are open; of trees and the past where it says so. */
export function openNodes(books: Books, view: View, nowMs: number): string[] {
  const { pattern = '>', all = pattern.startsWith('tree') } = view;
  const wanted = wantedBy(view);
  return books
    .keys()
    .filter((key) => wanted(key) && (all || (!key.startsWith('tree.') && isOpen(books.node(key), nowMs))));
}

/** A pattern fits a node with or without its window, and what begins so. */
function wantedBy({ pattern = '>' }: View): (key: string) => boolean {
  return (key) => matches(pattern, key) || matches(pattern, standingOf(key)) || matches(`${pattern}.>`, key);
}

function isOpen(node: NodeRecord | undefined, nowMs: number): boolean {
  return node !== undefined && nowMs < node.endsMs;
}

/** One node. */
export function budgetRow(control: Control, books: Books, key: string): BudgetRow {
  const record = books.node(key) ?? { limit: ZERO, endsMs: 0, purses: {}, spent: ZERO, v: 1 as const };
  const spent = books.spent(key);
  const { debt, closed, limit, endsMs } = record;
  const set = books.orders.setBy(standingOf(key));
  const budget = control.policy.budgets?.budgetOf(thresholdsOf(key));
  const full = key.startsWith('tree.') ? limit : (set?.limit ?? budget?.limit ?? limit);
  return {
    key,
    limit,
    spent,
    held: books.held(key),
    left: named(leftOf(record), limit),
    endsMs,
    ...(debt === undefined || isZero(debt) ? {} : { debt }),
    ...(closed === true ? { closed } : {}),
    ...levelOf(spent, full, budget?.thresholds),
    ...(set === undefined
      ? {}
      : { set: { by: set.by, at: set.at, ...(set.why === undefined ? {} : { why: set.why }) } }),
  };
}

function levelOf(
  spent: Amounts,
  full: Amounts,
  thresholds: Parameters<typeof levelsOf>[2] | undefined,
): Pick<BudgetRow, 'level'> {
  const level = thresholds && levelsOf(spent, full, thresholds).at(-1);
  return level === undefined ? {} : { level };
}

/** Budgets that the policy makes for one name, of which nothing was spent yet. */
function namedRows({ policy }: Control, books: Books, nowMs: number): BudgetRow[] {
  return (policy.budgets?.standing() ?? []).flatMap((standing): BudgetRow[] => {
    const budget = policy.budgets?.budgetOf(standing);
    if (budget === undefined || budget.window === 'call') {
      return [];
    }
    const { start, endsMs } = spanOf(budget.window, nowMs);
    const set = books.orders.setBy(standing);
    const limit = set?.limit ?? budget.limit;
    return [
      {
        key: `${standing}.${start}`,
        limit,
        spent: named(ZERO, limit),
        held: named(ZERO, limit),
        left: limit,
        endsMs,
      },
    ];
  });
}

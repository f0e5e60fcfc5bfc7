/**
 * Budgets that hold calls for a human, as the rules they act like: one for each node that has come to its threshold.
 * The limit itself is looked at where money is reserved: an approval lets a call pass the threshold, never the limit.
 */
import { reaches } from '../domain/budget/amounts.js';
import type { BudgetNode } from '../domain/budget/plan.js';
import type { Rule } from '../domain/rules/types.js';
import { budgeted } from './budgeted.js';
import type { Draft, World } from './draft.js';

/** The rules that hold it now; of a call that was approved also those that held it then, so that the approval fits. */
export function budgetHolds(draft: Draft, world: World): Rule[] {
  const plan = world.policy.budgets;
  if (plan?.holds !== true || world.budget === undefined) {
    return [];
  }
  const before = draft.approved?.rules ?? [];
  const rules = new Map<string, Rule>();
  for (const node of budgeted(draft, world, plan).nodes) {
    const name = nameOf(node);
    if (!rules.has(name) && (before.includes(name) || isHeld(node, world))) {
      rules.set(name, ruleOf(node, name));
    }
  }
  return [...rules.values()];
}

/** Has it come to the threshold from which calls wait, as far as this gateway knows? */
export function isHeld({ key, limit, full = limit, thresholds }: BudgetNode, { budget }: World): boolean {
  const { hold } = thresholds;
  return hold !== undefined && budget !== undefined && reaches(budget.used(key), full, hold);
}

/** Short, because the names of rules are: `budget.principal.day`. */
function nameOf({ standing }: BudgetNode): string {
  const [on = ''] = standing.split('.');
  return on === 'tree' ? 'budget.root' : `budget.${on}.${standing.slice(standing.lastIndexOf('.') + 1)}`;
}

function ruleOf({ standing, thresholds }: BudgetNode, name: string): Rule {
  return {
    name,
    effect: 'hold',
    approvers: thresholds.approvers ?? [],
    reason: `${standing} has come to ${thresholds.hold} percent`.slice(-512),
    patterns: ['>'],
    condition: undefined,
    grants: false,
    asksCaller: false,
    asksAgent: true,
  };
}

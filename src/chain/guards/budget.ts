import { excess, fits, isZero, UNITS, type Amounts } from '../../domain/budget/amounts.js';
import type { BudgetNode } from '../../domain/budget/plan.js';
import { meshError } from '../../wire/errors.js';
import { header } from '../../wire/headers.js';
import { isHeld } from '../budget-holds.js';
import { budgeted } from '../budgeted.js';
import type { Draft, World } from '../draft.js';
import { deny, type Guard, type Verdict } from '../verdict.js';

/**
 * Decides whether somebody pays for it: what the call reserves must be there in every node that it is charged to. It
 * stands last, because a call that is refused for anything else reserves nothing. What its caller wants to spend at most
 * does not lower what it reserves: nobody could hold the agent to it, and what it used beyond would be owed by others.
 *
 * - Refuses with: header_invalid (Mesh-Budget without budgets), budget_exceeded, budget_closed, unavailable (the ledger is out of reach).
 * - Holds for budget while the gateway asks the ledger.
 * - Needs: route, ticket.
 * - Proves: budget (what is reserved with the decision; nothing is yet).
 */
export const budget: Guard = {
  name: 'budget',
  check(draft, world) {
    const plan = world.policy.budgets;
    if (plan === undefined) {
      return draft.allowed === undefined ? undefined : unlimited();
    }
    const { nodes, reserve } = (draft.budget = budgeted(draft, world, plan));
    if (draft.allowed !== undefined && !fits(reserve, draft.allowed)) {
      const own = { key: `tree.${draft.who}.${draft.id}`, endsMs: draft.expiresMs };
      return exceeded(own, reserve, draft.allowed);
    }
    const never = nodes.find(({ limit }) => !fits(reserve, limit));
    if (never !== undefined) {
      return exceeded(never, reserve, never.limit);
    }
    if (world.budget === undefined) {
      return away('nobody keeps the ledger here');
    }
    const lack = world.budget.lack(nodes, reserve);
    switch (lack?.why) {
      case undefined:
        return unapproved(draft, world, nodes, reserve);
      case 'draw':
      case 'soon':
        return { verdict: 'hold', why: 'budget', node: lack.key };
      case 'dry':
        return exceeded(lack.node, reserve, lack.have);
      case 'closed': {
        const until = new Date(lack.node.endsMs).toISOString();
        return deny(meshError('budget_closed', { node: lack.key, until }));
      }
      case 'away':
        return away('the ledger of budgets is out of reach');
    }
  },
};

/** What holds calls was looked at with the rules. Where those are judged by an interceptor, nobody has: it is a no. */
function unapproved(draft: Draft, world: World, nodes: readonly BudgetNode[], reserve: Amounts): Verdict {
  const held = draft.approval === undefined ? nodes.find((node) => isHeld(node, world)) : undefined;
  return held === undefined ? undefined : exceeded(held, reserve, {});
}

function away(why: string): Verdict {
  return deny(meshError('unavailable', { waitedMs: 0, why }));
}

/** A caller relies on a limit that nobody would keep. */
function unlimited(): Verdict {
  const why = 'the policy of this mesh names no budgets, so nobody would keep it';
  return deny(meshError('header_invalid', { name: header.budget, why }));
}

/** The first unit that does not fit says why. */
function exceeded(node: Pick<BudgetNode, 'key' | 'endsMs'>, need: Amounts, have: Amounts): Verdict {
  const over = excess(need, have);
  const unit = UNITS.find((one) => (over[one] ?? 0) > 0) ?? 'micros';
  const retryAfterMs = Math.max(0, node.endsMs - Date.now());
  return deny(
    meshError('budget_exceeded', {
      node: node.key,
      need: `${need[unit] ?? 0} ${unit}`,
      have: isZero(have) ? 'nothing' : `${have[unit] ?? 0} ${unit}`,
      until: new Date(node.endsMs).toISOString(),
      retryAfterMs,
    }),
  );
}

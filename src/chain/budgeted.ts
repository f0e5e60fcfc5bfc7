/**
 * What the plan of budgets needs to know of a call on its way through the chain, and what it makes of it.
 */
import type { BudgetFacts, BudgetPlan, Envelope } from '../domain/budget/plan.js';
import { openTicket } from '../domain/ticket.js';
import { header } from '../wire/headers.js';
import type { Draft, World } from './draft.js';
import type { Budgeted } from './till.js';

/** Look up in the plan what the call costs. Throws amount_invalid, and what a plan says of prices. */
export function budgeted(draft: Draft, world: World, plan: BudgetPlan): Budgeted {
  const set = world.budget?.set;
  const envelopes = envelopesOf(draft, world);
  const facts: BudgetFacts = {
    from: draft.who,
    call: draft.id,
    agent: draft.instance?.agent ?? '',
    principal: draft.chain[0] ?? draft.who,
    capability: draft.what,
    root: draft.parent === undefined && draft.review === undefined,
    costMicros: draft.entry?.offers.get(draft.instance?.agent ?? draft.who)?.costMicros ?? 0,
    expiresMs: draft.expiresMs,
    allowed: draft.allowed,
    envelopes,
  };
  const reserve = plan.reserveOf(facts, set);
  return {
    reserve,
    nodes: plan.nodesOf(facts, draft.nowMs, set),
    allowed: draft.allowed,
    envelopes,
    own: plan.envelopeOf(facts, reserve, set),
  };
}

/** Where the ticket was judged elsewhere, it is opened here for this: its mac says whose it is. */
function envelopesOf(draft: Draft, world: World): readonly Envelope[] | undefined {
  const text = draft.ticket === undefined && draft.parent !== undefined && draft.headers.get(header.ticket);
  const ticket = typeof text === 'string' ? openTicket(world.ring, text) : draft.ticket;
  return ticket?.envelopes;
}

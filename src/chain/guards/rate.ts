import type { Look, Misfit, RateFacts } from '../../domain/rate/book.js';
import { priorityFor } from '../../domain/rate/priority.js';
import { meshError, type MeshError } from '../../wire/errors.js';
import type { Draft, World } from '../draft.js';
import { deny, type Guard, type Verdict } from '../verdict.js';

const PACED: Verdict = { verdict: 'hold', why: 'rate' };

/**
 * Decides whether the call may have the priority that it says, and whether there is not too much already: of this
 * principal, caller, agent, capability or tree.
 *
 * - Refuses with: priority_denied, rate_exceeded, concurrency_exceeded, tree_exceeded.
 * - Holds while another gateway may have room to lend; batch until there is room.
 * - Needs: ticket, route.
 * - Proves: priority, accounts (what it takes when it is allowed), lacks.
 */
export const rate: Guard = {
  name: 'rate',
  check(draft, world) {
    const { said, above } = draft;
    const { traffic } = world.policy;
    const priority = priorityFor({ said, most: traffic.priorityOf(draft.who), above });
    if (priority === undefined) {
      throw meshError('priority_denied', { from: draft.who, priority: said });
    }
    draft.priority = priority;
    // A review is asked for by the mesh itself: it is part of a call that was counted.
    return traffic.limits.length === 0 || draft.review !== undefined ? undefined : judge(draft, world);
  },
};

function judge(draft: Draft, { rates, policy }: World): Verdict {
  if (rates === undefined) {
    return undefined;
  }
  const nowMs = rates.nowMs();
  const own = rates.book.look(factsOf(draft), nowMs);
  const agent = draft.instance?.agent;
  const its: Look | undefined =
    agent === undefined || !policy.traffic.limitsAgents
      ? undefined
      : rates.book.lookAt(agent, draft.what, nowMs);
  draft.accounts = its === undefined ? own.accounts : [...own.accounts, ...its.accounts];
  const misfit = own.misfit ?? its?.misfit;
  if (misfit === undefined) {
    return undefined;
  }
  const { account } = misfit;
  const borrows = account?.mayBorrow(nowMs) === true;
  draft.lacks = borrows && account !== undefined ? [account] : undefined;
  const waits = draft.priority === 'batch' && isForNow(misfit);
  return borrows || waits || misfit === its?.misfit ? PACED : deny(errorOf(misfit));
}

function factsOf({ chain, who, what, root, parent }: Draft): RateFacts {
  const [principal = who] = chain;
  const slash = principal.indexOf('/');
  return {
    principal: slash < 0 ? principal : principal.slice(0, slash),
    caller: who,
    capability: what,
    root,
    parent,
    depth: chain.length,
  };
}

/** Will there be room again, if nothing but time passes? */
function isForNow({ counts }: Misfit): boolean {
  return counts === 'rate' || counts === 'concurrency';
}

function errorOf({ limit, counts, of, max, retryAfterMs }: Misfit): MeshError {
  const facts = { limit: limit.name, each: limit.each, of };
  const later = { retry_after_ms: retryAfterMs };
  switch (counts) {
    case 'rate':
      return meshError('rate_exceeded', { ...facts, rate: limit.rate, burst: max, ...later });
    case 'concurrency':
      return meshError('concurrency_exceeded', { ...facts, max, ...later });
    case 'fanOut':
      return meshError('tree_exceeded', { ...facts, what: 'calls of one task', max });
    case 'calls':
      return meshError('tree_exceeded', { ...facts, what: 'calls in one tree', max: max + 1 });
    case 'depth':
      return meshError('tree_exceeded', { ...facts, what: 'calls above each other', max });
  }
}

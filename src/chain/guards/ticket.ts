import { meshError } from '../../wire/errors.js';
import { header } from '../../wire/headers.js';
import { openTicket } from '../../domain/ticket.js';
import type { Draft, Replay, World } from '../draft.js';
import { openPresented } from '../presented.js';
import type { Guard } from '../verdict.js';

/**
 * Decides whose work this is: the ticket of the task the caller works on, or a root of its own.
 *
 * - Refuses with: ticket_invalid, ticket_foreign, root_denied, grant_*.
 * - Needs: decode.
 * - Proves: root, chain, ticket, parent, above. A call without a ticket is a root, and only `mayRoot`, or a grant that says
 *   `root`, allows one, so that dropping the ticket escapes nothing. A replay is a root that keeps the chain of the dead call: whoever it was done for must
 *   still be allowed to begin a tree. A review is asked for by nobody but the gateways, within the tree that it is
 *   about.
 */
export const ticket: Guard = {
  name: 'ticket',
  check(draft, world) {
    if (draft.replay !== undefined) {
      return again(draft, world, draft.replay);
    }
    if (draft.review !== undefined) {
      draft.root = draft.review.root;
      draft.chain = [draft.who];
      return undefined;
    }
    const text = draft.headers.get(header.ticket);
    if (text === undefined) {
      if (!world.policy.mayRoot(draft.who, draft.what) && openPresented(draft, world)?.last.root !== true) {
        throw meshError('root_denied', { from: draft.who });
      }
      draft.root = `${draft.who}.${draft.id}`;
      draft.chain = [draft.who];
      return undefined;
    }
    const opened = openTicket(world.ring, text);
    if (opened.agent !== draft.who) {
      throw meshError('ticket_foreign', { owner: opened.agent, from: draft.who });
    }
    draft.ticket = opened;
    draft.parent = `${opened.from}.${opened.call}`;
    draft.root = opened.root;
    draft.chain = opened.chain;
    draft.above = opened.priority ?? 'normal';
    draft.context ??= opened.context;
    draft.labels = opened.labels === undefined ? draft.labels : { ...draft.labels, ...opened.labels };
    return undefined;
  },
};

function again(draft: Draft, world: World, { chain }: Replay): undefined {
  draft.chain = chain === undefined ? chainOfUndecided(draft, world) : [...chain];
  const [principal = draft.who] = draft.chain;
  if (!world.policy.mayRoot(principal, draft.what)) {
    throw meshError('root_denied', { from: principal });
  }
  draft.root = `${draft.who}.${draft.id}`;
  return undefined;
}

/** It was given up before it was decided: its ticket, if it had one, is looked at now for the first time. */
function chainOfUndecided(draft: Draft, world: World): string[] {
  const text = draft.headers.get(header.ticket);
  if (text === undefined) {
    return [draft.who];
  }
  const opened = openTicket(world.ring, text);
  if (opened.agent !== draft.who) {
    throw meshError('ticket_foreign', { owner: opened.agent, from: draft.who });
  }
  return opened.chain;
}

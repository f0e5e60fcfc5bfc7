/**
 * Which grants are in force for a call: those its ticket carries, and the one its caller presents.
 */
import type { CarriedGrant, OpenedGrant } from '../domain/grants/book.js';
import type { Ticket } from '../wire/generated/messages.js';
import { meshError } from '../wire/errors.js';
import { limits } from '../wire/limits.js';
import type { Draft, World } from './draft.js';

/** Does the task of this ticket run under any grant? */
export function carriesGrants(ticket: Ticket | undefined): boolean {
  return ticket?.grants !== undefined || ticket?.introduced !== undefined;
}

/** What the ticket has whole, and what it names by digest, in the order of its chain. */
function carriedBy(ticket: Ticket | undefined, world: World): readonly CarriedGrant[] {
  const { grants = [], introduced } = ticket ?? {};
  if (introduced === undefined) {
    return grants;
  }
  const found = introduced.map(({ at, digest }) => ({ at, ...world.grants.carried(digest) }));
  return [...grants, ...found].sort((a, b) => a.at - b.at);
}

/**
 * Note them on the draft. A grant of somebody above that was revoked or has ended takes the work that was begun with
 * it along. Throws grant_unknown, grant_revoked, grant_expired, grant_too_large.
 */
export function putInForce(draft: Draft, world: World, opened: OpenedGrant | undefined): void {
  const carried = carriedBy(draft.ticket, world);
  const at = draft.chain.length - 1;
  draft.grants =
    opened === undefined
      ? carried
      : at === 0 && carried.length === 0
        ? opened.ofRoot
        : [...carried, { at, ...opened.carried }];
  const revoked = world.grants.revoked(carried);
  if (revoked !== undefined) {
    throw revoked;
  }
  const over = carried.find(({ exp }) => exp * 1_000 <= draft.nowMs);
  if (over !== undefined) {
    const agoMs = draft.nowMs - over.exp * 1_000;
    throw meshError('grant_expired', { link: over.ids.length, dimension: 'expiry', agoMs });
  }
  if (opened === undefined) {
    return;
  }
  const link = opened.links.length;
  if (draft.grants.length > limits.grantsCarried) {
    const have = draft.grants.length;
    throw meshError('grant_too_large', { link, dimension: 'grants', have, max: limits.grantsCarried });
  }
  const have = carried.length === 0 ? opened.carriedSize : JSON.stringify(draft.grants).length;
  if (have > limits.grantsCarriedBytes) {
    throw meshError('grant_too_large', { link, dimension: 'length', have, max: limits.grantsCarriedBytes });
  }
  draft.deadlineMs = Math.min(draft.deadlineMs, opened.last.deadline ?? Number.POSITIVE_INFINITY);
}

/**
 * What votes do to a held call. The supervisor says that there are enough; this gateway opens and counts them itself,
 * under the policy and the cards of now, and runs the whole chain again before anything is given out.
 */
import type { Incoming } from '../chain/draft.js';
import { approvalDigest, heldCall, tally, type HeldCall, type Voters } from '../domain/approvals.js';
import { openVotes } from '../domain/vote.js';
import { meshError } from '../wire/errors.js';
import type { ParkedRecord } from '../wire/generated/messages.js';
import type { Token } from '../wire/names.js';
import type { Admitter } from './admit.js';
import type { Core } from './core.js';
import { knownOf } from './held.js';
import type { Origin } from './origin.js';

/**
 * Act on the sealed votes. False when the call stays: too few, or the approved agent is not free. `onHeld`: it stays, as
 * was found out later.
 */
export function actOnVotes(
  core: Core,
  admitter: Admitter,
  { record, incoming }: { readonly record: ParkedRecord; readonly incoming: Incoming },
  origin: Origin,
  sealed: readonly string[],
  onHeld: () => void,
): boolean {
  const held = heldCall(record);
  if (held === undefined || sealed.length === 0) {
    return false;
  }
  const known = { ...knownOf(record, held.approval), guard: 'policy' };
  const verdict = tally(held, openVotes(core.ring, sealed), votersOf(core));
  if (verdict.state === 'waits') {
    return false;
  }
  if (verdict.state === 'denied') {
    const { by, reason } = verdict;
    const error = meshError('approval_denied', { by, reason: reason === undefined ? '' : `: ${reason}` });
    admitter.end(incoming, origin, record.call, 'refused', error, known);
    return true;
  }
  const why = staleness(core, held);
  if (why !== undefined) {
    const error = meshError('approval_stale', { name: `${record.from}.${record.call}`, why });
    admitter.end(incoming, origin, record.call, 'refused', error, known);
    return true;
  }
  const { agent, card, expires } = held.approval;
  const rules = held.approval.rules.map(({ rule }) => rule);
  const approved = {
    digest: approvalDigest(held),
    by: verdict.by,
    at: Date.now(),
    agent,
    card,
    expires,
    rules,
  };
  return admitter.admit({ ...incoming, approved }, origin, record.call, true, onHeld) !== 'held';
}

/** Who may vote, by the policy and the cards of now. */
function votersOf(core: Core): Voters {
  return {
    rolesOf: (member) => core.policy.rolesOf(member),
    isAgent: (member) => core.registry.agent(member as Token) !== undefined,
  };
}

/** Why what was approved is not what would be done now. The guard compares all of it; this tells people what it is. */
function staleness({ policy, registry }: Core, { approval }: HeldCall): string | undefined {
  if (policy.digest !== approval.policy) {
    return 'the policy has changed';
  }
  return registry.agent(approval.agent as Token)?.digest === approval.card
    ? undefined
    : `the card of ${approval.agent} has changed`;
}

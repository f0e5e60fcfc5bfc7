/**
 * Looking at calls that are held for approval, when the supervisor asks.
 */
import { runChain } from '../chain/chain.js';
import { draftOf, type Incoming } from '../chain/draft.js';
import { meshError } from '../wire/errors.js';
import type { ParkedRecord } from '../wire/generated/messages.js';
import type { Approval } from '../domain/approvals.js';
import type { Admitter } from './admit.js';
import type { Core } from './core.js';
import { isBlind } from './fallen.js';
import type { Origin } from './origin.js';

/**
 * Look at a call that is held: it is ended when it was cancelled or its time is over. False when it stays.
 * `cancelledBy`: an operator who asked for that, or '' for its caller.
 */
export function endHeld(
  admitter: Admitter,
  record: ParkedRecord,
  incoming: Incoming,
  origin: Origin,
  cancelledBy: string | undefined,
): boolean {
  const { from, call, approval } = record;
  if (approval === undefined) {
    return false;
  }
  const known = knownOf(record, approval);
  const { rules } = known;
  if (cancelledBy !== undefined || admitter.wasCancelled(`${from}.${call}`)) {
    const by = cancelledBy === undefined || cancelledBy === '' ? {} : { by: ` by ${cancelledBy}` };
    admitter.end(incoming, origin, call, 'cancelled', meshError('cancelled', by), known);
  } else if (Date.now() >= Math.min(approval.expires, record.deadline)) {
    const error = meshError('approval_expired', { rules });
    admitter.end(incoming, origin, call, 'expired', error, { ...known, guard: 'policy' });
  } else {
    return false;
  }
  return true;
}

/** Guards that speak of authority: what they refuse once, no vote can let go. */
const AUTHORITY = new Set(['ticket', 'granted', 'policy']);

/** End a call that is held when its authority has fallen meanwhile. False when it stays. */
export function endFallen(
  core: Core,
  admitter: Admitter,
  { record, incoming }: { readonly record: ParkedRecord; readonly incoming: Incoming },
  origin: Origin,
): boolean {
  if (record.approval === undefined || isBlind(core)) {
    return false;
  }
  const draft = draftOf(incoming, Date.now());
  const verdict = runChain(draft, core);
  if (verdict.verdict !== 'deny' || !AUTHORITY.has(draft.guard ?? '')) {
    return false;
  }
  const known = { ...knownOf(record, record.approval), rules: draft.rules, guard: draft.guard };
  admitter.end(incoming, origin, record.call, 'refused', verdict.error, known);
  return true;
}

/** What is known of a held call without running the chain again. */
export function knownOf(
  { deadline }: ParkedRecord,
  { rules, root, chain }: Approval,
): { root: string; chain: string[]; deadlineMs: number; rules: string[] } {
  return { root, chain, deadlineMs: deadline, rules: rules.map(({ rule }) => rule) };
}

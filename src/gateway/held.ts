/**
 * Looking at calls that are held for approval, when the supervisor asks.
 */
import type { Incoming } from '../chain/draft.js';
import { meshError } from '../wire/errors.js';
import type { ParkedRecord } from '../wire/generated/messages.js';
import type { Admitter } from './admit.js';
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
  const rules = approval.rules.map(({ rule }) => rule);
  const known = { root: approval.root, chain: approval.chain, deadlineMs: record.deadline, rules };
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

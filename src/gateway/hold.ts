/**
 * Calls that a rule holds: each becomes a durable record under `parked.approval`, with everything an approval must be
 * for. Until then nothing of it runs; when its time is over, or its caller cancels it, it is ended.
 */
import type { Draft, Incoming } from '../chain/draft.js';
import type { Approval } from '../chain/verdict.js';
import { meshError } from '../wire/errors.js';
import type { ParkedRecord } from '../wire/generated/messages.js';
import type { Admitter } from './admit.js';
import type { Core } from './core.js';
import type { Origin } from './origin.js';
import { keptOf, writeParked } from './park.js';

/** Park a call that waits for approval. */
export function hold(core: Core, draft: Draft, approval: Approval, origin: Origin): void {
  const { id, headers } = keptOf(draft);
  const record: ParkedRecord = {
    v: 1,
    why: 'approval',
    from: draft.who,
    call: id,
    capability: draft.what,
    gateway: core.name,
    parkedAt: Date.now(),
    deadline: draft.deadlineMs,
    headers,
    approval,
    ...(origin.reply === undefined ? {} : { reply: origin.reply }),
  };
  writeParked(core, record, draft.body, origin);
}

/** Look at a call that is held: it is ended when it was cancelled or its time is over. False when it stays. */
export function endHeld(
  admitter: Admitter,
  record: ParkedRecord,
  incoming: Incoming,
  origin: Origin,
  cancelled: boolean,
): boolean {
  const { from, call, approval } = record;
  if (approval === undefined) {
    return false;
  }
  const rules = approval.rules.map(({ rule }) => rule);
  const known = { root: approval.root, chain: approval.chain, deadlineMs: record.deadline, rules };
  if (cancelled || admitter.wasCancelled(`${from}.${call}`)) {
    admitter.end(incoming, origin, call, 'cancelled', meshError('cancelled'), known);
  } else if (Date.now() >= Math.min(approval.expires, record.deadline)) {
    const error = meshError('approval_expired', { rules });
    admitter.end(incoming, origin, call, 'expired', error, { ...known, guard: 'policy' });
  } else {
    return false;
  }
  return true;
}

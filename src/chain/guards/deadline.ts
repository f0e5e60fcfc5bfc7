import { meshError } from '../../wire/errors.js';
import { header } from '../../wire/headers.js';
import { limits } from '../../wire/limits.js';
import { deny, type Guard } from '../verdict.js';

const INSTANT = /^[0-9]{1,15}$/;

/**
 * Decides whether there is time left. A child's deadline is at most its parent's (D6).
 *
 * - Refuses with: deadline_invalid, deadline_past (it was past when the call was made), ticket_invalid (the parent's
 *   time is over), call_id_expired, deadline_too_far; expires with deadline_exceeded (it passed while the call waited to be decided).
 * - Needs: ticket.
 * - Proves: deadlineMs.
 */
export const deadline: Guard = {
  name: 'deadline',
  check(draft) {
    const text = draft.headers.get(header.deadline);
    if (text !== undefined && !INSTANT.test(text)) {
      throw meshError('deadline_invalid', { value: JSON.stringify(text.slice(0, 40)) });
    }
    const wanted = text === undefined ? draft.bornMs + limits.deadlineDefaultMs : Number(text);
    const parent = draft.ticket?.deadline ?? Number.POSITIVE_INFINITY;
    if (parent <= draft.nowMs) {
      throw meshError('ticket_invalid', { why: 'the deadline of its task has passed' });
    }
    if (wanted > draft.bornMs + limits.lifeMaxMs) {
      throw meshError('deadline_too_far', { aheadMs: wanted - draft.bornMs, maxMs: limits.lifeMaxMs });
    }
    if (wanted <= draft.bornMs) {
      throw meshError('deadline_past', { lateMs: draft.nowMs - wanted });
    }
    draft.deadlineMs = Math.min(wanted, parent);
    const ageMs = draft.nowMs - draft.bornMs;
    if (draft.deadlineMs <= draft.nowMs && ageMs > limits.lifeMs) {
      throw meshError('call_id_expired', { ageMs, lifeMs: limits.lifeMs });
    }
    if (draft.deadlineMs <= draft.nowMs) {
      return deny(meshError('deadline_exceeded', { why: 'it waited to be decided' }), 'expired');
    }
    return undefined;
  },
};

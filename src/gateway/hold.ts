/**
 * Calls that a rule holds: each becomes a durable record under `parked.approval`, with everything an approval must be
 * for. Nothing of it runs.
 */
import type { Draft } from '../chain/draft.js';
import type { Approval } from '../chain/verdict.js';
import type { ParkedRecord } from '../wire/generated/messages.js';
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

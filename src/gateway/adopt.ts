/**
 * Adoption: open decisions of a gateway whose lease lapsed are handed to this one by the supervisor. The record
 * holds all that is needed to go on.
 */
import type { Msg } from '../fabric/connection.js';
import { headersOf } from '../fabric/raw.js';
import { getBySeq } from '../fabric/reader.js';
import { sealTicket } from '../domain/ticket.js';
import { fromBody } from '../wire/errors.js';
import { pattern } from '../wire/generated/subjects.js';
import type { Adopt } from '../wire/generated/messages.js';
import type { Attempts } from './attempts.js';
import type { Core } from './core.js';
import { newOpenCall } from './decide.js';
import type { OpenSet } from './open.js';
import { readDecision } from './records.js';
import { readRegister, type Settler } from './settle.js';

/** Serve adoptions: the reply is the name of the heir, sent once every decision is in its hands. */
export function serveAdoptions(core: Core, open: OpenSet, attempts: Attempts, settler: Settler): () => void {
  const sub = core.nc.subscribe(pattern.adopt, {
    queue: 'gateway',
    callback: (err, msg) => {
      if (err === null && !headersOf(msg).empty) {
        void adoptAll(core, open, attempts, settler, msg);
      }
    },
  });
  return () => sub.unsubscribe();
}

async function adoptAll(
  core: Core,
  open: OpenSet,
  attempts: Attempts,
  settler: Settler,
  msg: Msg,
): Promise<void> {
  const { seqs, of } = msg.json<Adopt>();
  try {
    // In order, so that the newest attempt of a call is seen last.
    for (const seq of seqs) {
      await adopt(core, open, attempts, settler, seq);
    }
    core.nc.publish(msg.reply ?? '', core.name);
    core.log.info({ of, decisions: seqs.length }, 'adopted the decisions of a lapsed gateway');
  } catch (err) {
    core.log.warn({ of, err: String(err) }, 'an adoption failed; the supervisor will ask again');
  }
}

async function adopt(
  core: Core,
  open: OpenSet,
  attempts: Attempts,
  settler: Settler,
  seq: number,
): Promise<void> {
  if (open.bySeq(seq) !== undefined) {
    return;
  }
  const stored = await getBySeq(core.nc, 'DECISIONS', seq);
  const record = stored === undefined ? undefined : readDecision(stored.headers);
  if (stored === undefined || record === undefined) {
    return;
  }
  const known = open.byKey(`${record.from}.${record.call}`);
  if (known === undefined && (await readRegister(core, record.from, record.call)) !== undefined) {
    return;
  }
  if (known !== undefined && known.record.attempt >= record.attempt) {
    known.macs.set(seq, sealTicket(core.ring, record, seq).resultMac);
    return;
  }
  const holder = core.roster.get(record.agent, record.instance ?? '');
  const call = known ?? newOpenCall(record, seq, stored.body, undefined);
  if (known === undefined) {
    open.add(call);
  } else {
    open.addDecision(call, record, seq);
  }
  if (record.verdict === 'refuse') {
    return settler.fail(call, record.status ?? 'refused', fromBody(record.error).toBody());
  }
  call.macs.set(seq, sealTicket(core.ring, record, seq).resultMac);
  call.state = 'dispatched';
  if (holder === undefined) {
    return attempts.lost(call, 'its lease lapsed');
  }
  holder.inFlight++;
  call.holder = holder;
  const attemptEnds = record.idempotent === true ? Date.now() + (record.attemptMs ?? Infinity) : Infinity;
  open.wheel.set(call, Math.min(attemptEnds, record.deadline));
}

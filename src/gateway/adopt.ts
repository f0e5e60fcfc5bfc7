/**
 * Adoption: open decisions of a gateway whose lease lapsed are handed to this one by the supervisor. The record
 * holds all that is needed to go on.
 */
import type { Msg } from '../fabric/connection.js';
import { headersOf, rawHeaders } from '../fabric/raw.js';
import { getBySeq } from '../fabric/reader.js';
import type { Instance } from '../domain/roster.js';
import { sealTicket } from '../domain/ticket.js';
import { fromBody } from '../wire/errors.js';
import { pattern, subject } from '../wire/generated/subjects.js';
import type { Adopt } from '../wire/generated/messages.js';
import { encodeHeaders, header } from '../wire/headers.js';
import { limits } from '../wire/limits.js';
import type { Attempts } from './attempts.js';
import type { Core } from './core.js';
import { answerOf } from './dispatch.js';
import { newOpenCall, release, releaseRival, type OpenSet } from './open.js';
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
    const adopted = new Map<Instance, number[]>();
    for (const seq of seqs) {
      const holder = await adopt(core, open, attempts, settler, seq);
      if (holder !== undefined) {
        adopted.set(holder, [...(adopted.get(holder) ?? []), seq]);
      }
    }
    probe(core, adopted);
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
): Promise<Instance | undefined> {
  if (open.bySeq(seq) !== undefined) {
    return undefined;
  }
  const stored = await getBySeq(core.nc, 'DECISIONS', seq);
  const record = stored === undefined ? undefined : readDecision(stored.headers);
  if (stored === undefined || record === undefined) {
    return undefined;
  }
  const known = open.byKey(`${record.from}.${record.call}`);
  if (known === undefined && (await readRegister(core, record.from, record.call)) !== undefined) {
    return undefined;
  }
  if (known !== undefined && known.record.attempt >= record.attempt) {
    known.macs.set(seq, answerOf(record.agent, sealTicket(core.ring, record, seq).resultMac));
    return undefined;
  }
  const holder = core.roster.get(record.agent, record.instance ?? '');
  const call = known ?? newOpenCall(record, seq, stored.body, undefined);
  if (known === undefined) {
    open.add(call);
  } else {
    open.addDecision(call, record, seq);
  }
  if (record.verdict === 'refuse') {
    settler.fail(call, record.status ?? 'refused', fromBody(record.error).toBody());
    return undefined;
  }
  call.macs.set(seq, answerOf(record.agent, sealTicket(core.ring, record, seq).resultMac));
  release(call); // of an attempt before
  releaseRival(call);
  call.failed = undefined;
  call.state = 'dispatched';
  call.counted ??= core.rates.count(record);
  if (holder === undefined) {
    attempts.lost(call, 'its lease lapsed');
    return undefined;
  }
  holder.inFlight++;
  call.holder = holder;
  call.unproven = true;
  open.wheel.set(call, Math.min(Date.now() + limits.probeMs, record.deadline));
  return holder;
}

/** Ask the instances for a sign of the adopted tasks: the gateway may have died between decision and dispatch. */
function probe(core: Core, adopted: ReadonlyMap<Instance, number[]>): void {
  const headers = rawHeaders(encodeHeaders([[header.instance, core.name]]));
  for (const [{ agent, id }, seqs] of adopted) {
    core.nc.publish(subject.probe({ agent, instance: id }), JSON.stringify({ seqs }), { headers });
  }
}

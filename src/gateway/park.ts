/**
 * Parking: a call that must wait longer becomes a durable record of its own; the supervisor wakes it.
 */
import { getBySeq, getLast, deleteBySeq } from '../fabric/reader.js';
import type { Incoming } from '../chain/draft.js';
import { ingress, subject } from '../wire/generated/subjects.js';
import type { ParkedRecord } from '../wire/generated/messages.js';
import { encodeHeaders, header } from '../wire/headers.js';
import { limits } from '../wire/limits.js';
import type { Token } from '../wire/names.js';
import { birthOf } from '../wire/ulid.js';
import { carried } from './carried.js';
import type { Core } from './core.js';
import type { Origin } from './origin.js';
import type { Waiting } from './waiting.js';

/** The id of a call, and the headers that are kept while it is parked. */
export function keptOf(incoming: Incoming): { id: string; headers: Record<string, string> } {
  const id = incoming.headers.get(header.call) ?? incoming.mintedId ?? '';
  return { id, headers: { ...carried(incoming.headers), [header.call]: id } };
}

/** Park a call that waited for capacity. */
export function park(core: Core, w: Waiting): void {
  const { id, headers } = keptOf(w.incoming);
  const deadline = Number(headers[header.deadline] ?? birthOf(id) + limits.deadlineDefaultMs);
  const record: ParkedRecord = {
    v: 1,
    why: core.rates.isPaced(w.incoming) ? 'rate' : 'capacity',
    from: w.incoming.from,
    call: id,
    capability: w.capability,
    gateway: core.name,
    parkedAt: Date.now(),
    deadline,
    headers,
    ...(w.origin.reply === undefined ? {} : { reply: w.origin.reply }),
    ...(w.incoming.review === undefined ? {} : { review: w.incoming.review }),
  };
  writeParked(core, record, w.incoming.body, w.origin);
}

/** Make a parked record durable; then its sender's message is not needed any more. */
export function writeParked(core: Core, record: ParkedRecord, body: Uint8Array, origin: Origin): void {
  const address = { why: record.why as Token, from: record.from as Token, call: record.call as Token };
  const bytes = encodeHeaders([[header.record, JSON.stringify(record)]]);
  core.pub.publish(ingress.parked(core.ingress, address), body, bytes, (ack) => {
    if (ack.kind === 'stored' || ack.kind === 'duplicate') {
      core.sight.parked++;
      origin.durable();
    } else if (ack.kind === 'occupied') {
      void parkedAlready(core, subject.parked(address), origin);
    } else {
      origin.undone();
    }
  });
}

/** 10077: parked before (by an earlier take of the same call), or the stream is full. */
async function parkedAlready(core: Core, at: string, origin: Origin): Promise<void> {
  const there = await getLast(core.nc, 'PARKED', at).catch(() => undefined);
  return there === undefined ? origin.undone() : origin.durable();
}

/** Read a parked call back: what came in, and where it waits. */
export async function unpark(
  core: Core,
  seq: number,
): Promise<{ record: ParkedRecord; incoming: Incoming } | undefined> {
  const stored = await getBySeq(core.nc, 'PARKED', seq);
  const text = stored?.headers.get(header.record);
  if (stored === undefined || text === undefined) {
    return undefined;
  }
  const record = JSON.parse(text) as ParkedRecord;
  const headers = new Map(Object.entries(record.headers));
  const { from, capability, review } = record;
  const incoming = { from, capability, headers, body: stored.body };
  return { record, incoming: review === undefined ? incoming : { ...incoming, review } };
}

/** The parked call went on: its record is not needed any more. */
export function forget(core: Core, seq: number): void {
  deleteBySeq(core.nc, 'PARKED', seq).catch((err: unknown) => {
    core.log.warn(
      { seq, err: String(err) },
      'a parked record was not deleted; the supervisor will try again',
    );
  });
}

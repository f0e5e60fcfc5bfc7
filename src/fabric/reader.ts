/**
 * Reading streams: one message by sequence, the last of a subject through the leader, and bounded scans.
 */
import type { NatsConnection } from '@nats-io/transport-node';
import { jetstream } from '@nats-io/jetstream';
import { HeaderBlock } from '../wire/headers.js';
import type { StreamName } from '../wire/generated/streams.js';
import { freshInbox, headersOf } from './raw.js';
import { deliveryOf, storedAtOf } from './puller.js';

/** A message as it is stored. */
export interface Stored {
  readonly seq: number;
  readonly subject: string;
  readonly headers: HeaderBlock;
  readonly body: Uint8Array;
  /** When the server stored it (epoch ms), where it was told. */
  readonly storedAt?: number;
}

const TIMEOUT_MS = 2_000;
const EMPTY = new Uint8Array(0);

/** One message by its sequence, or undefined when the stream has it no more (or not yet). */
export async function getBySeq(
  nc: NatsConnection,
  stream: StreamName,
  seq: number,
): Promise<Stored | undefined> {
  const msg = await nc.request(`$JS.API.DIRECT.GET.${stream}`, `{"seq":${seq}}`, { timeout: TIMEOUT_MS });
  const headers = headersOf(msg);
  if (headers.statusCode >= 400) {
    return undefined;
  }
  return { seq, subject: headers.get('Nats-Subject') ?? '', headers, body: msg.data };
}

/**
 * The last message of a subject, asked of the stream's leader: only the leader's word counts where a first write
 * decides.
 */
export async function getLast(
  nc: NatsConnection,
  stream: StreamName,
  subject: string,
): Promise<Stored | undefined> {
  return await askLeader(nc, stream, { last_by_subj: subject });
}

/** One message by its sequence, asked of the leader: for what may have been deleted a moment ago. */
export async function getFromLeader(
  nc: NatsConnection,
  stream: StreamName,
  seq: number,
): Promise<Stored | undefined> {
  return await askLeader(nc, stream, { seq });
}

async function askLeader(
  nc: NatsConnection,
  stream: StreamName,
  wanted: object,
): Promise<Stored | undefined> {
  const request = JSON.stringify(wanted);
  const msg = await nc.request(`$JS.API.STREAM.MSG.GET.${stream}`, request, { timeout: TIMEOUT_MS });
  const reply = msg.json<{
    error?: { code: number; description: string };
    message?: { subject: string; seq: number; hdrs?: string; data?: string; time: string };
  }>();
  if (reply.message === undefined) {
    if (reply.error?.code === 404) {
      return undefined;
    }
    throw new Error(`${stream}: ${reply.error?.description ?? 'no answer'}`);
  }
  const m = reply.message;
  return {
    seq: m.seq,
    subject: m.subject,
    headers: new HeaderBlock(Buffer.from(m.hdrs ?? '', 'base64')),
    body: Buffer.from(m.data ?? '', 'base64'),
    storedAt: instantOf(m.time),
  };
}

/** The last message of a subject, from any replica, or undefined. For streams in which a subject is written once. */
export async function getBySubject(
  nc: NatsConnection,
  stream: StreamName,
  subject: string,
): Promise<Stored | undefined> {
  const msg = await nc.request(`$JS.API.DIRECT.GET.${stream}.${subject}`, EMPTY, { timeout: TIMEOUT_MS });
  const headers = headersOf(msg);
  if (headers.statusCode >= 400) {
    return undefined;
  }
  return { seq: Number(headers.get('Nats-Sequence') ?? 0), subject, headers, body: msg.data };
}

/** An instant of the server in epoch ms, with its fractions. */
function instantOf(time: string): number {
  const fraction = /\.\d+/.exec(time)?.[0] ?? '';
  return Date.parse(time.replace(fraction, '')) + Number(`0${fraction}`) * 1000;
}

/** Delete one message of PARKED or DEAD. False: it is not there (any more). */
export async function deleteBySeq(
  nc: NatsConnection,
  stream: 'PARKED' | 'DEAD',
  seq: number,
): Promise<boolean> {
  const body = JSON.stringify({ seq, no_erase: true });
  const reply = await nc.request(`$JS.API.STREAM.MSG.DELETE.${stream}`, body, { timeout: TIMEOUT_MS });
  return reply.json<{ success?: boolean }>().success === true;
}

/** Where a scan begins and what it brings. */
export interface ScanOptions {
  readonly startSeq?: number;
  readonly startTimeMs?: number;
  readonly headersOnly?: boolean;
  readonly filter?: string;
  readonly maxMessages?: number;
}

const BATCH = 2_000;

/**
 * Read a stream forwards to its end (as of the last batch). `onMessage` may return false to stop.
 * Needs the right to create consumers: control and operator only.
 */
export async function scan(
  nc: NatsConnection,
  stream: string,
  options: ScanOptions,
  onMessage: (m: Stored) => boolean | undefined,
): Promise<void> {
  const name = await createScanConsumer(nc, stream, options);
  let left = options.maxMessages ?? Number.POSITIVE_INFINITY;
  try {
    for (let more = true; more && left > 0;) {
      const batch = Math.min(BATCH, left);
      const got = await pullBatch(nc, stream, name, batch, onMessage);
      left -= got.count;
      more = !got.stopped && got.count === batch;
    }
  } finally {
    await nc
      .request(`$JS.API.CONSUMER.DELETE.${stream}.${name}`, '', { timeout: TIMEOUT_MS })
      .catch(() => undefined);
  }
}

async function createScanConsumer(nc: NatsConnection, stream: string, o: ScanOptions): Promise<string> {
  const start =
    o.startSeq !== undefined && o.startSeq > 0
      ? { deliver_policy: 'by_start_sequence', opt_start_seq: o.startSeq }
      : o.startTimeMs !== undefined
        ? { deliver_policy: 'by_start_time', opt_start_time: new Date(o.startTimeMs).toISOString() }
        : { deliver_policy: 'all' };
  const config = {
    ...start,
    ack_policy: 'none',
    headers_only: o.headersOnly ?? false,
    mem_storage: true,
    inactive_threshold: 30_000_000_000,
    ...(o.filter === undefined ? {} : { filter_subject: o.filter }),
  };
  const body = JSON.stringify({ stream_name: stream, config });
  const reply = (await nc.request(`$JS.API.CONSUMER.CREATE.${stream}`, body, { timeout: TIMEOUT_MS })).json<{
    name?: string;
    error?: { description: string };
  }>();
  if (reply.name === undefined) {
    throw new Error(`scan of ${stream}: ${reply.error?.description ?? 'no answer'}`);
  }
  return reply.name;
}

function pullBatch(
  nc: NatsConnection,
  stream: string,
  consumer: string,
  batch: number,
  onMessage: (m: Stored) => boolean | undefined,
): Promise<{ count: number; stopped: boolean }> {
  const inbox = freshInbox(nc);
  return new Promise((resolve, reject) => {
    let count = 0;
    let stopped = false;
    const sub = nc.subscribe(inbox, { callback: (err, msg) => (err === null ? take(msg) : end(err)) });
    const timer = setTimeout(() => end(new Error(`scan of ${stream}: the server fell silent`)), 15_000);
    const end = (err?: Error) => {
      clearTimeout(timer);
      sub.unsubscribe();
      return err === undefined ? resolve({ count, stopped }) : reject(err);
    };
    const take = (msg: Parameters<typeof headersOf>[0]) => {
      const headers = headersOf(msg);
      if (msg.reply?.startsWith('$JS.ACK.') !== true) {
        return headers.statusCode === 100 ? undefined : end();
      }
      count++;
      const { streamSeq: seq } = deliveryOf(msg);
      const stored = { seq, subject: msg.subject, headers, body: msg.data, storedAt: storedAtOf(msg) };
      stopped ||= onMessage(stored) === false;
      return count === batch || stopped ? end() : undefined;
    };
    nc.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`, `{"batch":${batch},"no_wait":true}`, {
      reply: inbox,
    });
  });
}

/** Follow a stream from its first message. Survives reconnects. Returns how to stop. Control only. */
export async function tail(
  nc: NatsConnection,
  stream: StreamName,
  onMessage: (m: Stored) => void,
): Promise<() => void> {
  const consumer = await jetstream(nc).consumers.get(stream);
  const messages = await consumer.consume({
    callback: (m) => {
      const headers = new HeaderBlock(
        (m.headers as unknown as { encode(): Uint8Array } | undefined)?.encode() ?? EMPTY,
      );
      onMessage({ seq: m.seq, subject: m.subject, headers, body: m.data });
    },
  });
  return () => messages.stop();
}

/**
 * Streams, consumers and buckets as the table says: created when missing, brought back to the table when they
 * differ. Only control runs this.
 */
import {
  jetstreamManager,
  type ConsumerConfig,
  type JetStreamManager,
  type StreamConfig,
} from '@nats-io/jetstream';
import { Kvm, type KV } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import {
  buckets,
  streams,
  type BucketName,
  type StreamName,
  type StreamSpec,
} from '../wire/generated/streams.js';
import { limits } from '../wire/limits.js';
import { headersOf } from './raw.js';

const NANOS = 1_000_000;
const CAPTURE_ALL = '>';

/** What the table never asks for, so that control also takes back what somebody else has set. */
const UNSET = {
  allow_rollup_hdrs: false,
  no_ack: false,
  max_age: 0,
  max_msgs: -1,
  max_msgs_per_subject: -1,
  discard_new_per_subject: false,
  mirror_direct: false,
  subject_transform: undefined,
  republish: undefined,
  sources: undefined,
};

/** The same of a bucket, where rollups, one message per subject and markers are how it works. */
const UNSET_BUCKET = { ...UNSET, allow_rollup_hdrs: true, max_msgs_per_subject: 1 };

/** The server's configuration of a stream of the table. Exported for `mesh doctor`, which compares. */
export function streamConfig(name: StreamName, secret: string): Partial<StreamConfig> & { name: string } {
  const spec: StreamSpec = streams[name];
  const subjects = spec.subjects.map((s) => s.replace('{secret}', secret));
  const source = subjects[0] ?? CAPTURE_ALL;
  return {
    ...UNSET,
    name,
    description: spec.why,
    subjects,
    retention: spec.retention,
    storage: 'file',
    discard: 'new',
    max_bytes: spec.maxBytes,
    max_msg_size: spec.maxMsgSize,
    duplicate_window: spec.duplicateWindowMs * NANOS,
    allow_direct: true,
    ...(spec.transformTo === undefined ? {} : { subject_transform: { src: source, dest: spec.transformTo } }),
    ...(spec.oncePerSubject ? { max_msgs_per_subject: 1, discard_new_per_subject: true } : {}),
    ...(spec.ttlPerMessage ? { allow_msg_ttl: true } : {}),
    ...(spec.republish === undefined
      ? {}
      : { republish: { src: spec.transformTo ?? source, dest: `${spec.republish}.>` } }),
  } as unknown as Partial<StreamConfig> & { name: string };
}

/** The one consumer of CALLS: all gateways pull from it. */
export function callsConsumer(): Partial<ConsumerConfig> & { readonly durable_name: string } {
  return {
    durable_name: 'gateway',
    ack_policy: 'explicit',
    ack_wait: limits.ackWaitMs * NANOS,
    max_deliver: -1,
    max_ack_pending: 4 * (limits.turnsQueued + limits.takesInFlight + limits.waiting),
    max_waiting: 4096,
  };
}

/** Make every stream, the consumer and the buckets as the table says. */
export async function ensureStreams(nc: NatsConnection, secret: string): Promise<void> {
  const jsm = await jetstreamManager(nc, { checkAPI: false });
  for (const name of Object.keys(streams) as StreamName[]) {
    await ensureStream(jsm, streamConfig(name, secret));
  }
  await jsm.consumers.add('CALLS', callsConsumer());
}

async function ensureStream(
  jsm: JetStreamManager,
  config: Partial<StreamConfig> & { name: string },
): Promise<void> {
  const known = await jsm.streams.info(config.name).catch(() => undefined);
  if (known === undefined) {
    await jsm.streams.add(config);
  } else {
    await jsm.streams.update(config.name, config);
  }
}

/** Open a bucket; `create` makes it as the table says (control only). */
export async function openBucket(nc: NatsConnection, name: BucketName, create = false): Promise<KV> {
  const kvm = new Kvm(nc);
  const spec = buckets[name];
  if (!create) {
    return await kvm.open(name);
  }
  const bucket = await kvm.create(name, {
    history: 1,
    max_bytes: spec.maxBytes,
    markerTTL: spec.markerTtlMs,
    storage: 'file',
  });
  const jsm = await jetstreamManager(nc, { checkAPI: false });
  await jsm.streams.update(`KV_${name}`, UNSET_BUCKET as unknown as Partial<StreamConfig>);
  return bucket;
}

/** How full a stream is and where it stands. */
export interface StreamState {
  readonly messages: number;
  readonly bytes: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly created: string;
  /** Share of its limit, 0–100. */
  readonly percent: number;
}

/** Read the state of a stream with one request. */
export async function streamState(
  nc: NatsConnection,
  name: StreamName,
  timeoutMs = 2_000,
): Promise<StreamState> {
  const reply = await nc.request(`$JS.API.STREAM.INFO.${name}`, '', { timeout: timeoutMs });
  const info = reply.json<{
    created: string;
    config: { max_bytes: number };
    state: { messages: number; bytes: number; first_seq: number; last_seq: number };
  }>();
  return {
    messages: info.state.messages,
    bytes: info.state.bytes,
    firstSeq: info.state.first_seq,
    lastSeq: info.state.last_seq,
    created: info.created,
    percent: (100 * info.state.bytes) / info.config.max_bytes,
  };
}

/** The subjects in a stream that fall under a filter. */
export async function subjectsOf(nc: NatsConnection, name: StreamName, filter: string): Promise<string[]> {
  const request = JSON.stringify({ subjects_filter: filter });
  const reply = await nc.request(`$JS.API.STREAM.INFO.${name}`, request, { timeout: 2_000 });
  const info = reply.json<{
    state?: { subjects?: Record<string, number> };
    error?: { description: string };
  }>();
  if (info.state === undefined) {
    throw new Error(`${name}: ${info.error?.description ?? 'no answer'}`);
  }
  return Object.keys(info.state.subjects ?? {});
}

/** Remove every message of BODIES under a subject. */
export async function purgeSubject(nc: NatsConnection, name: 'BODIES', filter: string): Promise<void> {
  await nc.request(`$JS.API.STREAM.PURGE.${name}`, JSON.stringify({ filter }), { timeout: 2_000 });
}

/** Remove every message below `seq`. */
export async function purgeBelow(nc: NatsConnection, name: StreamName, seq: number): Promise<void> {
  const jsm = await jetstreamManager(nc, { checkAPI: false });
  await jsm.streams.purge(name, { seq });
}

/** Read one value of a bucket. */
export async function kvGet(
  nc: NatsConnection,
  bucket: BucketName,
  key: string,
): Promise<string | undefined> {
  const kv = await openBucket(nc, bucket);
  const entry = await kv.get(key);
  return entry === null || entry.operation !== 'PUT' ? undefined : entry.string();
}

/** Read one value by a plain request, for whoever may read this key and nothing else of the bucket. */
export async function kvAsk(
  nc: NatsConnection,
  bucket: BucketName,
  key: string,
): Promise<string | undefined> {
  const subject = `$JS.API.DIRECT.GET.KV_${bucket}.$KV.${bucket}.${key}`;
  const msg = await nc.request(subject, '', { timeout: 2_000 });
  const headers = headersOf(msg);
  const gone = headers.statusCode >= 400 || headers.get('KV-Operation') !== undefined;
  return gone ? undefined : msg.string();
}

/** Write one value of a bucket. */
export async function kvPut(
  nc: NatsConnection,
  bucket: BucketName,
  key: string,
  value: string,
): Promise<void> {
  const kv = await openBucket(nc, bucket);
  await kv.put(key, value);
}

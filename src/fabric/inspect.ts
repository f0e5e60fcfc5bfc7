/**
 * Reading what the server holds and comparing it with the table: for `mesh doctor`. Changes nothing.
 */
import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { buckets, streams, type BucketName, type StreamName } from '../wire/generated/streams.js';
import { callsConsumer, streamConfig } from './streams.js';

/** What was found beside what the table wants. */
export interface StreamFinding {
  /** Name of the stream, consumer or bucket. */
  readonly name: string;
  readonly missing: boolean;
  /** Settings that differ; none when it is as the table says. */
  readonly settings: readonly string[];
  readonly found: string;
  readonly want: string;
}

type Config = Readonly<Record<string, unknown>>;

const NANOS = 1_000_000;
const INGRESS = /^_k\.([0-9a-f]{32})\./;
const SECRET_WORD = '{secret}';

/** What no stream may have unless the table says so: each lets somebody wipe, redirect, copy or keep out messages. */
const UNSET: Config = {
  sealed: false,
  no_ack: false,
  deny_delete: false,
  deny_purge: false,
  allow_rollup_hdrs: false,
  allow_msg_ttl: false,
  allow_msg_schedules: false,
  allow_msg_counter: false,
  allow_atomic: false,
  allow_batched: false,
  discard_new_per_subject: false,
  mirror: false,
  mirror_direct: false,
  sources: false,
  republish: false,
  subject_transform: false,
  subject_delete_marker_ttl: false,
  persist_mode: false,
  max_age: 0,
  max_msgs: -1,
  max_consumers: -1,
  max_msgs_per_subject: -1,
};

/** The same of the consumer. */
const UNSET_CONSUMER: Config = {
  deliver_policy: 'all',
  replay_policy: 'instant',
  filter_subject: false,
  filter_subjects: false,
  backoff: false,
  headers_only: false,
  inactive_threshold: false,
  mem_storage: false,
  pause_until: false,
  priority_policy: false,
};

/** Compare streams, the consumer and the buckets with the table. Needs a user that may read stream infos. */
export async function inspectStreams(nc: NatsConnection): Promise<StreamFinding[]> {
  const jsm = await jetstreamManager(nc, { checkAPI: false });
  const names = Object.keys(streams) as StreamName[];
  const bucketNames = Object.keys(buckets) as BucketName[];
  return [
    ...(await Promise.all(names.map((name) => inspectStream(jsm, name)))),
    await inspectConsumer(jsm),
    ...(await Promise.all(bucketNames.map((name) => inspectBucket(jsm, name)))),
  ];
}

async function inspectStream(jsm: JetStreamManager, name: StreamName): Promise<StreamFinding> {
  const found = await configOf(jsm, name);
  const secret = INGRESS.exec(String((found?.['subjects'] as string[] | undefined)?.[0]))?.[1];
  // An ingress without a secret of 128 bits would be open to everybody who can count.
  const want = streamConfig(name, secret ?? SECRET_WORD) as unknown as Config;
  return compare(name, found, { ...UNSET, ...want }, secret);
}

async function inspectConsumer(jsm: JetStreamManager): Promise<StreamFinding> {
  const want = callsConsumer();
  const name = want.durable_name;
  const info = await jsm.consumers.info('CALLS', name).catch(() => undefined);
  const found = info?.config as unknown as Config | undefined;
  return compare(`CALLS/${name}`, found, { ...UNSET_CONSUMER, ...(want as unknown as Config) });
}

async function inspectBucket(jsm: JetStreamManager, name: BucketName): Promise<StreamFinding> {
  const spec = buckets[name];
  const found = await configOf(jsm, `KV_${name}`);
  return compare(`KV ${name}`, found, {
    ...UNSET,
    subjects: [`$KV.${name}.>`],
    retention: 'limits',
    storage: 'file',
    discard: 'new',
    max_bytes: spec.maxBytes,
    max_msgs_per_subject: 1,
    allow_msg_ttl: true,
    subject_delete_marker_ttl: spec.markerTtlMs * NANOS,
    allow_rollup_hdrs: true, // whoever may write there is ours
  });
}

async function configOf(jsm: JetStreamManager, stream: string): Promise<Config | undefined> {
  const info = await jsm.streams.info(stream).catch(() => undefined);
  return info?.config as unknown as Config | undefined;
}

/** Every setting of `want` must be found as it is; what the server adds by itself does not matter. */
function compare(name: string, found: Config | undefined, want: Config, secret?: string): StreamFinding {
  if (found === undefined) {
    return { name, missing: true, settings: [], found: 'missing', want: 'there' };
  }
  const settings = Object.keys(want).filter((key) => !contains(found[key], want[key]));
  const show = (config: Config): string =>
    hide(settings.map((key) => `${key} ${shown(config[key])}`).join(', '), secret);
  return { name, missing: false, settings, found: show(found), want: show(want) };
}

function shown(value: unknown): string {
  return value === undefined || value === false ? 'unset' : JSON.stringify(value);
}

/** The secret of the ingress is not for the eyes of whoever reads a report. */
function hide(text: string, secret: string | undefined): string {
  return secret === undefined ? text : text.replaceAll(secret, SECRET_WORD);
}

function contains(found: unknown, want: unknown): boolean {
  if (want === false || want === undefined) {
    return found === undefined || found === false || found === 0 || found === '';
  }
  if (typeof want !== 'object' || want === null) {
    return found === want;
  }
  if (typeof found !== 'object' || found === null) {
    return false;
  }
  // Lists must be equal: a subject too many is a door too many.
  const sameLength = !Array.isArray(want) || (Array.isArray(found) && found.length === want.length);
  return sameLength && Object.entries(want).every(([key, value]) => contains((found as Config)[key], value));
}

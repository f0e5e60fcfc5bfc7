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
  readonly found: string;
  readonly want: string;
  readonly fine: boolean;
}

type Config = Readonly<Record<string, unknown>>;

const INGRESS = /^_k\.([0-9a-f]{32})\./;
const SECRET_WORD = '{secret}';

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
  return compare(name, found, want, secret);
}

async function inspectConsumer(jsm: JetStreamManager): Promise<StreamFinding> {
  const want = callsConsumer();
  const name = want.durable_name;
  const info = await jsm.consumers.info('CALLS', name).catch(() => undefined);
  return compare(`CALLS/${name}`, info?.config as unknown as Config | undefined, want as unknown as Config);
}

async function inspectBucket(jsm: JetStreamManager, name: BucketName): Promise<StreamFinding> {
  const spec = buckets[name];
  const found = await configOf(jsm, `KV_${name}`);
  return compare(`KV ${name}`, found, {
    max_bytes: spec.maxBytes,
    allow_msg_ttl: true,
    max_msgs_per_subject: 1,
  });
}

async function configOf(jsm: JetStreamManager, stream: string): Promise<Config | undefined> {
  const info = await jsm.streams.info(stream).catch(() => undefined);
  return info?.config as unknown as Config | undefined;
}

/** Every setting of `want` must be found as it is; what the server adds by itself does not matter. */
function compare(name: string, found: Config | undefined, want: Config, secret?: string): StreamFinding {
  if (found === undefined) {
    return { name, found: 'missing', want: 'there', fine: false };
  }
  const differing = Object.keys(want).filter((key) => !contains(found[key], want[key]));
  const show = (config: Config): string =>
    hide(differing.map((key) => `${key} ${JSON.stringify(config[key]) ?? 'unset'}`).join(', '), secret);
  return differing.length === 0
    ? { name, found: 'as the table says', want: 'as the table says', fine: true }
    : { name, found: show(found), want: show(want), fine: false };
}

/** The secret of the ingress is not for the eyes of whoever reads a report. */
function hide(text: string, secret: string | undefined): string {
  return secret === undefined ? text : text.replaceAll(secret, SECRET_WORD);
}

function contains(found: unknown, want: unknown): boolean {
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

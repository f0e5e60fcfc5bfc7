/**
 * Breakers in their bucket: changed only by whoever knows what stands there, watched by all gateways.
 */
import type { NatsConnection } from '@nats-io/transport-node';
import { encodeHeaders } from '../wire/headers.js';
import { limits } from '../wire/limits.js';
import type { LightPublisher } from './publisher.js';
import { scan } from './reader.js';
import { steadyWatch, type SteadyWatch } from './steady-watch.js';
import { openBucket } from './streams.js';

const BUCKET = 'mesh_breaker';
const PREFIX = `$KV.${BUCKET}.`;

interface Stated {
  readonly state: string;
}

/** Be told of every breaker and its changes; undefined: there is none any more. Resolves once all were told. */
export function watchBreakers<T>(
  nc: NatsConnection,
  on: (key: string, record: T | undefined, revision: number) => void,
): Promise<SteadyWatch> {
  return steadyWatch(nc, BUCKET, '>', (key, message) => on(key, message?.json<T>(), message?.seq ?? 0));
}

/**
 * Store a breaker if `revision` still stands there; 0: nothing does, or a closed one. The new revision, or undefined
 * when something else stands there or it could not be stored.
 */
export async function putBreaker(
  nc: NatsConnection,
  pub: LightPublisher,
  key: string,
  record: Stated,
  revision: number,
): Promise<number | undefined> {
  const stored = await put(pub, key, record, revision);
  if (stored !== undefined || revision > 0) {
    return stored;
  }
  const entry = await (await openBucket(nc, BUCKET)).get(key);
  if (entry === null || (entry.operation === 'PUT' && entry.json<Stated>().state !== 'closed')) {
    return undefined;
  }
  return await put(pub, key, record, entry.revision);
}

/** Store a breaker whatever stands there: an operator wants it so. */
export async function forceBreaker(pub: LightPublisher, key: string, record: Stated): Promise<boolean> {
  return (await put(pub, key, record, undefined)) !== undefined;
}

/** All breakers that stand there. */
export async function readBreakers<T>(nc: NatsConnection): Promise<Map<string, T>> {
  const all = new Map<string, T>();
  await scan(nc, `KV_${BUCKET}`, { maxMessages: limits.breakers }, (m) => {
    if (m.headers.get('KV-Operation') === undefined && m.body.length > 0) {
      all.set(m.subject.slice(PREFIX.length), JSON.parse(Buffer.from(m.body).toString()) as T);
    }
    return undefined;
  });
  return all;
}

async function put(
  pub: LightPublisher,
  key: string,
  record: Stated,
  revision: number | undefined,
): Promise<number | undefined> {
  const headers = encodeHeaders([
    ['Nats-TTL', String(limits.breakerKeepMs / 1000)],
    ['Nats-Expected-Last-Subject-Sequence', revision === undefined ? undefined : String(revision)],
  ]);
  const ack = await pub.publishAsync(PREFIX + key, Buffer.from(JSON.stringify(record)), headers);
  return ack.kind === 'stored' ? ack.seq : undefined;
}

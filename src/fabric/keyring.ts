/**
 * The key ring and the ingress secret, kept in `mesh_keys`: made once by control, read by gateways. They survive
 * restarts, so that a ticket of before verifies after.
 */
import { randomBytes } from 'node:crypto';
import type { NatsConnection } from '@nats-io/transport-node';
import type { KeyRing } from '../wire/keyring.js';
import { meshError } from '../wire/errors.js';
import { kvAsk, openBucket, streamState } from './streams.js';

/** What gateways and control share. */
export interface Secrets {
  /** 128 bits in hex: the second token of the ingress subjects. */
  readonly ingress: string;
  readonly current: string;
  readonly keys: ReadonlyMap<string, Buffer>;
}

interface StoredKeys {
  ingress: string;
  current: string;
  keys: Record<string, string>;
}

const KEY = 'ring';

/** Read the secrets, or make them when there are none yet (control only). */
export async function ensureSecrets(nc: NatsConnection): Promise<Secrets> {
  const kv = await openBucket(nc, 'mesh_keys', true);
  const fresh: StoredKeys = {
    ingress: randomBytes(16).toString('hex'),
    current: 'k1',
    keys: { k1: randomBytes(32).toString('base64') },
  };
  await kv.create(KEY, JSON.stringify(fresh)).catch(() => undefined); // somebody was first: theirs counts
  return await readSecrets(nc);
}

/** Read the secrets. Throws config_missing when control never ran. */
export async function readSecrets(nc: NatsConnection): Promise<Secrets> {
  const kv = await openBucket(nc, 'mesh_keys').catch(() => undefined);
  const entry = await kv?.get(KEY).catch(() => undefined);
  if (entry === undefined || entry === null) {
    throw meshError('config_missing', { what: 'the key ring (control has not run yet)' });
  }
  const stored = entry.json<StoredKeys>();
  const keys = new Map(Object.entries(stored.keys).map(([kid, k]) => [kid, Buffer.from(k, 'base64')]));
  return { ingress: stored.ingress, current: stored.current, keys };
}

/** The ring for tickets: bound to the creation of the stream of decisions. Throws when the stream is missing. */
export async function ringOf(nc: NatsConnection, secrets: Secrets): Promise<KeyRing> {
  const { created } = await streamState(nc, 'DECISIONS');
  return { current: secrets.current, keys: secrets.keys, epoch: String(Date.parse(created)) };
}

/** The stage whose guards open tickets: its interceptors need the keys of the macs, and nothing else of the secrets. */
const RING_OF = 'authority';

/** Put down what interceptors need of the secrets, each under the name of its stage (control only). */
export async function tellStages(nc: NatsConnection, { current, keys, epoch }: KeyRing): Promise<void> {
  const kv = await openBucket(nc, 'mesh_keys');
  const ring = [...keys].map(([kid, key]) => [kid, key.toString('base64')] as const);
  const text = JSON.stringify({ current, keys: Object.fromEntries(ring), epoch });
  const there = await kv.get(RING_OF);
  if (there?.string() !== text) {
    await kv.put(RING_OF, text);
  }
}

/** The ring of a stage: an empty one, which opens nothing, for a stage that needs none. Throws config_missing. */
export async function stageRing(nc: NatsConnection, stage: string): Promise<KeyRing> {
  if (stage !== RING_OF) {
    return { current: '', keys: new Map(), epoch: '' };
  }
  const text = await kvAsk(nc, 'mesh_keys', RING_OF);
  if (text === undefined) {
    throw meshError('config_missing', { what: 'the key ring of the stage (control has not run yet)' });
  }
  const { current, keys, epoch } = JSON.parse(text) as Omit<StoredKeys, 'ingress'> & { epoch: string };
  const ring = Object.entries(keys).map(([kid, key]) => [kid, Buffer.from(key, 'base64')] as const);
  return { current, keys: new Map(ring), epoch };
}

/**
 * The policy in its bucket: written by control, watched by gateways and control. What stands there was read and checked
 * by whoever wrote it: it is data, not the text of a file.
 */
import { DeliverPolicy, jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { kvAsk, kvPut, openBucket } from './streams.js';

const BUCKET = 'mesh_policy';

type Key = 'live' | 'shadow';

/** A policy as it is stored; `D` is what it says. */
export interface StoredPolicy<D = unknown> {
  readonly v: 2;
  readonly data: D;
  readonly digest: string;
  /** The operator who pushed it; missing when control took it from its file. */
  readonly by?: string | undefined;
  /** Epoch ms. */
  readonly at: number;
  /** Digest of the file that control followed then: only another file replaces what was pushed meanwhile. */
  readonly followed: string;
}

/** A policy as version 1 stored it: its text. */
export interface StoredText extends Omit<StoredPolicy, 'v' | 'data'> {
  readonly v: 1;
  readonly text: string;
}

/** A candidate that is judged beside the policy. */
export interface StoredShadow<D = unknown> extends Omit<StoredPolicy<D>, 'followed'> {
  /** Part of the calls that is judged by it, 0 to 1. */
  readonly share: number;
}

/** Write the policy (control only). */
export async function putPolicy(nc: NatsConnection, policy: StoredPolicy): Promise<void> {
  await kvPut(nc, BUCKET, 'live', JSON.stringify(policy));
}

/** Write the candidate, or take it away (control only). */
export async function putShadow(nc: NatsConnection, shadow: StoredShadow | undefined): Promise<void> {
  if (shadow === undefined) {
    await (await openBucket(nc, BUCKET)).delete('shadow');
  } else {
    await kvPut(nc, BUCKET, 'shadow', JSON.stringify(shadow));
  }
}

/** The policy that stands there. */
export function readStoredPolicy<D>(nc: NatsConnection): Promise<StoredPolicy<D> | StoredText | undefined> {
  return read(nc, 'live');
}

/** The candidate that stands there. */
export function readShadow<D>(nc: NatsConnection): Promise<StoredShadow<D> | undefined> {
  return read(nc, 'shadow');
}

/**
 * Be told of the policy that stands there, and of each that replaces it. What takes it away leaves the last one in
 * force: nothing runs without. Survives reconnects. Returns how to stop.
 */
export function watchPolicy<D>(
  nc: NatsConnection,
  onPolicy: (policy: StoredPolicy<D>) => void,
): Promise<() => void> {
  return watch<StoredPolicy<D>>(nc, 'live', (policy) =>
    policy === undefined ? undefined : onPolicy(policy),
  );
}

/** Be told of the candidate, of each that replaces it, and when there is none any more. Returns how to stop. */
export function watchShadow<D>(
  nc: NatsConnection,
  onShadow: (shadow: StoredShadow<D> | undefined) => void,
): Promise<() => void> {
  return watch(nc, 'shadow', onShadow);
}

async function read<T>(nc: NatsConnection, key: Key): Promise<T | undefined> {
  const text = await kvAsk(nc, BUCKET, key).catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as T);
}

async function watch<T>(
  nc: NatsConnection,
  key: Key,
  onValue: (value: T | undefined) => void,
): Promise<() => void> {
  const consumer = await jetstream(nc).consumers.get(`KV_${BUCKET}`, {
    filter_subjects: `$KV.${BUCKET}.${key}`,
    deliver_policy: DeliverPolicy.LastPerSubject,
  });
  const messages = await consumer.consume({
    callback: (m) => {
      const gone = m.headers?.has('KV-Operation') === true || m.headers?.has('Nats-Marker-Reason') === true;
      onValue(gone ? undefined : m.json<T>());
    },
  });
  return () => messages.stop();
}

/**
 * The policy in its bucket: written by control, watched by gateways and control. What stands there was read and checked
 * by whoever wrote it: it is data, not the text of a file.
 */
import { DeliverPolicy, jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { kvGet, kvPut } from './streams.js';

const SUBJECT = '$KV.mesh_policy.live';
const KEY = 'live';

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

/** Write the policy (control only). */
export async function putPolicy(nc: NatsConnection, policy: StoredPolicy): Promise<void> {
  await kvPut(nc, 'mesh_policy', KEY, JSON.stringify(policy));
}

/** The policy that stands there. */
export async function readStoredPolicy<D>(
  nc: NatsConnection,
): Promise<StoredPolicy<D> | StoredText | undefined> {
  const text = await kvGet(nc, 'mesh_policy', KEY).catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as StoredPolicy<D> | StoredText);
}

/** Be told of the policy that stands there, and of each that replaces it. Survives reconnects. Returns how to stop. */
export async function watchPolicy<D>(
  nc: NatsConnection,
  onPolicy: (policy: StoredPolicy<D>) => void,
): Promise<() => void> {
  const consumer = await jetstream(nc).consumers.get('KV_mesh_policy', {
    filter_subjects: SUBJECT,
    deliver_policy: DeliverPolicy.LastPerSubject,
  });
  const messages = await consumer.consume({
    callback: (m) => {
      // What takes the policy away leaves the last one in force: nothing runs without.
      if (m.headers?.has('KV-Operation') !== true && m.headers?.has('Nats-Marker-Reason') !== true) {
        onPolicy(m.json<StoredPolicy<D>>());
      }
    },
  });
  return () => messages.stop();
}

/**
 * The floor: the least that a durable call can cost here. A caller publishes to a work queue, a worker pulls, answers
 * to the caller's inbox by core NATS and acknowledges. No chain, no record, no identity, no register.
 */
import { AckPolicy, jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import type { NatsConnection } from '../src/fabric/connection.js';

/** The stream of the floor; its subject lies where the role of control may publish. */
export const STREAM = 'FLOOR';
/** Where the caller publishes. */
export const SUBJECT = '_k.floor.work';
/** The worker's durable consumer. */
export const CONSUMER = 'worker';
/** Names the inbox of the caller: the reply subject is taken by the acknowledgement. */
export const REPLY_HEADER = 'Floor-Reply';

/** Make stream and consumer; the settings that cost something are those of CALLS. */
export async function ensureFloor(nc: NatsConnection): Promise<void> {
  const jsm = await jetstreamManager(nc, { checkAPI: false });
  await jsm.streams.add({
    name: STREAM,
    subjects: [SUBJECT],
    retention: RetentionPolicy.Workqueue,
    storage: StorageType.File,
    max_bytes: 536_870_912,
    duplicate_window: 100_000_000,
  });
  await jsm.consumers.add(STREAM, {
    durable_name: CONSUMER,
    ack_policy: AckPolicy.Explicit,
    max_ack_pending: 20_000,
  });
}

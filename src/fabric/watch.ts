/**
 * Watching the keys of a bucket. Changes are told in the callback of their message, not from an iterator: a call that
 * was sent after a key was stored must not be judged before it.
 */
import { DeliverPolicy, jetstream, type JsMsg } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { BucketName } from '../wire/generated/streams.js';

/** What is told of a key: its message, or undefined when it is gone. */
export type OnKey = (key: string, message: JsMsg | undefined) => void;

/** A watch. */
export interface KeyWatch {
  stop(): void;
  /** Has everything been told that was stored until now? Rejects when the server cannot say so. */
  current(): Promise<boolean>;
}

/**
 * Watch the keys of a bucket under a filter. Resolves once those that stand there were told; later changes follow
 * until `stop`. Rejects when the bucket is not there.
 */
export async function watchKeys(
  nc: NatsConnection,
  bucket: BucketName,
  filter: string,
  onKey: OnKey,
): Promise<KeyWatch> {
  const prefix = `$KV.${bucket}.`;
  const consumer = await jetstream(nc).consumers.get(`KV_${bucket}`, {
    filter_subjects: prefix + filter,
    deliver_policy: DeliverPolicy.LastPerSubject,
  });
  const { num_pending: initial } = await consumer.info();
  let left = initial;
  return await new Promise((resolve, reject) => {
    const told = () => (left-- === 1 ? resolve(handle) : undefined);
    const messages = consumer.consume({
      callback: (m) => {
        const gone = m.headers?.has('KV-Operation') === true || m.headers?.has('Nats-Marker-Reason') === true;
        onKey(m.subject.slice(prefix.length), gone ? undefined : m);
        told();
      },
    });
    messages.catch(reject);
    const handle: KeyWatch = {
      stop: () => void messages.then((m) => m.stop()),
      current: async () => (await consumer.info()).num_pending === 0,
    };
    if (initial === 0) {
      messages.then(() => resolve(handle), reject);
    }
  });
}

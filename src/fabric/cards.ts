/**
 * Cards in the registry bucket: written by the registrar, watched by gateways and control.
 */
import { DeliverPolicy, jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Card } from '../wire/generated/messages.js';
import type { Token } from '../wire/names.js';
import { openBucket } from './streams.js';

const PREFIX = 'card.';
const SUBJECT = '$KV.mesh_registry.card.';

/** A change of the registry. */
export type CardChange =
  | { readonly kind: 'put'; readonly agent: Token; readonly card: Card }
  | { readonly kind: 'gone'; readonly agent: Token };

/**
 * Watch all cards. Resolves once those that stand there were told; later changes follow until `stop`.
 *
 * Changes are told in the callback of their message, not from an iterator: a call that was sent after a card was
 * stored must not be judged before it.
 */
export async function watchCards(
  nc: NatsConnection,
  onChange: (c: CardChange) => void,
): Promise<{ stop(): void }> {
  const js = jetstream(nc);
  const consumer = await js.consumers.get('KV_mesh_registry', {
    filter_subjects: `${SUBJECT}*`,
    deliver_policy: DeliverPolicy.LastPerSubject,
  });
  const { num_pending: initial } = await consumer.info();
  let left = initial;
  return await new Promise((resolve, reject) => {
    const told = () => (left-- === 1 ? resolve(handle) : undefined);
    const messages = consumer.consume({
      callback: (m) => {
        const agent = m.subject.slice(SUBJECT.length) as Token;
        const gone = m.headers?.has('KV-Operation') === true || m.headers?.has('Nats-Marker-Reason') === true;
        onChange(gone ? { kind: 'gone', agent } : { kind: 'put', agent, card: m.json<Card>() });
        told();
      },
    });
    messages.catch(reject);
    const handle = { stop: () => void messages.then((m) => m.stop()) };
    if (initial === 0) {
      messages.then(() => resolve(handle), reject);
    }
  });
}

/** Write a card (registrar only). */
export async function putCard(nc: NatsConnection, agent: Token, card: Card): Promise<void> {
  const kv = await openBucket(nc, 'mesh_registry');
  await kv.put(PREFIX + agent, JSON.stringify(card));
}

/** Remove a card (registrar only). */
export async function removeCard(nc: NatsConnection, agent: Token): Promise<void> {
  const kv = await openBucket(nc, 'mesh_registry');
  await kv.delete(PREFIX + agent);
}

/**
 * Cards in the registry bucket: written by the registrar, watched by gateways and control.
 */
import type { NatsConnection } from '@nats-io/transport-node';
import type { Card } from '../wire/generated/messages.js';
import type { Token } from '../wire/names.js';
import { openBucket } from './streams.js';
import { watchKeys } from './watch.js';

const PREFIX = 'card.';

/** A change of the registry. */
export type CardChange =
  | { readonly kind: 'put'; readonly agent: Token; readonly card: Card }
  | { readonly kind: 'gone'; readonly agent: Token };

/**
 * Watch all cards. Resolves once those that stand there were told; later changes follow until `stop`.
 */
export async function watchCards(
  nc: NatsConnection,
  onChange: (c: CardChange) => void,
): Promise<{ stop(): void }> {
  return await watchKeys(nc, 'mesh_registry', `${PREFIX}*`, (key, message) => {
    const agent = key.slice(PREFIX.length) as Token;
    onChange(
      message === undefined ? { kind: 'gone', agent } : { kind: 'put', agent, card: message.json<Card>() },
    );
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

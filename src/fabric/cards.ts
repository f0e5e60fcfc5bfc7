/**
 * Cards in the registry bucket: written by the registrar, watched by gateways and control.
 */
import type { NatsConnection } from '@nats-io/transport-node';
import type { Card } from '../wire/generated/messages.js';
import type { Token } from '../wire/names.js';
import { openBucket } from './streams.js';

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
  const kv = await openBucket(nc, 'mesh_registry');
  const watch = await kv.watch({ key: `${PREFIX}*` });
  const { values } = await kv.status();
  let initial = values > 0;
  return await new Promise((resolve, reject) => {
    const handle = { stop: () => watch.stop() };
    if (!initial) {
      resolve(handle);
    }
    void (async () => {
      for await (const e of watch) {
        const agent = e.key.slice(PREFIX.length) as Token;
        onChange(
          e.operation === 'PUT' ? { kind: 'put', agent, card: e.json<Card>() } : { kind: 'gone', agent },
        );
        if (initial && e.delta === 0) {
          initial = false;
          resolve(handle);
        }
      }
    })().catch(reject);
    // Keys other than cards make the bucket look filled while the watch has nothing to tell.
    setTimeout(() => resolve(handle), 1_000).unref();
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

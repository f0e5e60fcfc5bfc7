/**
 * Claims: values that the first writer sets and the others find. Kept in `mesh_state`; control only.
 */
import type { NatsConnection } from '@nats-io/transport-node';
import { openBucket } from './streams.js';

/** A claim as it stands. */
export interface Claim {
  readonly value: string;
  /** Changes with every write: whoever changes a claim says which one they mean. */
  readonly revision: number;
}

const BUCKET = 'mesh_state';
const TRIES = 5;
/** How long the server remembers that a claim was ended. */
const MARKER_TTL = '60s';

/** Set the claim, or find the one that stands. */
export async function claim(nc: NatsConnection, key: string, value: string): Promise<Claim> {
  const kv = await openBucket(nc, BUCKET);
  for (let tries = 0; ; tries++) {
    try {
      return { value, revision: await kv.create(key, value) };
    } catch (err) {
      const entry = await kv.get(key);
      if (entry !== null && entry.operation === 'PUT') {
        return { value: entry.string(), revision: entry.revision };
      }
      if (tries >= TRIES) {
        throw err; // neither made nor found: the bucket takes nothing
      }
    }
  }
}

/** End the claim, unless somebody has changed it. */
export async function endClaim(nc: NatsConnection, key: string, { revision }: Claim): Promise<void> {
  const kv = await openBucket(nc, BUCKET);
  await kv.purge(key, { previousSeq: revision, ttl: MARKER_TTL }).catch(() => undefined); // it is another one by now
}

/** End the claim, whatever it is. */
export async function dropClaim(nc: NatsConnection, key: string): Promise<void> {
  const kv = await openBucket(nc, BUCKET);
  const entry = await kv.get(key);
  if (entry !== null && entry.operation === 'PUT') {
    await kv.purge(key, { ttl: MARKER_TTL });
  }
}

/**
 * The bucket `mesh_grants`: written by control, watched by gateways.
 */
import { jetstream } from '@nats-io/jetstream';
import { headers, type NatsConnection } from '@nats-io/transport-node';
import { limits } from '../wire/limits.js';
import { steadyWatch, type SteadyWatch } from './steady-watch.js';
import { openBucket } from './streams.js';

/** A change of what grants are judged by. `publicKey` is undefined when the name is gone. */
export type GrantChange =
  | { readonly kind: 'holder' | 'issuer'; readonly name: string; readonly publicKey: string | undefined }
  | { readonly kind: 'revoked'; readonly id: string; readonly atMs: number }
  | { readonly kind: 'revoked-holder'; readonly holder: string; readonly untilMs: number };

/** What stands with a revocation. */
export interface RevocationNote {
  readonly at: number;
  readonly by: string;
  readonly why?: string;
}

const HOLDER = 'holder.';
const ISSUER = 'issuer.';
const REVOKED_ID = 'revoked.id.';
const REVOKED_HOLDER = 'revoked.holder.';

/**
 * Watch it. Resolves once all that stands there was told; later changes follow until `stop`. That a revocation is not
 * there any more is not told: it ends with the last grant that it could be about.
 */
export function watchGrants(
  nc: NatsConnection,
  onChange: (change: GrantChange) => void,
): Promise<SteadyWatch> {
  return steadyWatch(nc, 'mesh_grants', '>', (key, message) => {
    for (const [kind, prefix] of [
      ['holder', HOLDER],
      ['issuer', ISSUER],
    ] as const) {
      if (key.startsWith(prefix)) {
        onChange({ kind, name: key.slice(prefix.length), publicKey: message?.string() });
      }
    }
    if (message !== undefined && key.startsWith(REVOKED_ID)) {
      const { at } = message.json<RevocationNote>();
      onChange({ kind: 'revoked', id: key.slice(REVOKED_ID.length), atMs: at });
    } else if (message !== undefined && key.startsWith(REVOKED_HOLDER)) {
      const { at } = message.json<RevocationNote>();
      onChange({ kind: 'revoked-holder', holder: key.slice(REVOKED_HOLDER.length), untilMs: at });
    }
  });
}

/** Write public keys; undefined removes one (control only). */
export async function putKeys(
  nc: NatsConnection,
  kind: 'holder' | 'issuer',
  keys: ReadonlyMap<string, string | undefined>,
): Promise<void> {
  const kv = await openBucket(nc, 'mesh_grants');
  const prefix = kind === 'holder' ? HOLDER : ISSUER;
  const writes = [...keys].map(([name, key]) =>
    key === undefined ? kv.delete(prefix + name) : kv.put(prefix + name, key),
  );
  await Promise.all(writes);
}

/**
 * Write a revocation; resolves when it is durable (control only). The server drops it when no grant can be left that it
 * is about.
 */
export async function putRevocation(
  nc: NatsConnection,
  what: { readonly id: string } | { readonly holder: string },
  note: RevocationNote,
): Promise<void> {
  const key = 'id' in what ? REVOKED_ID + what.id : REVOKED_HOLDER + what.holder;
  const head = headers();
  head.set('Nats-TTL', String(Math.ceil(limits.revocationMs / 1_000)));
  await jetstream(nc).publish(`$KV.mesh_grants.${key}`, JSON.stringify(note), { headers: head });
}

/**
 * The bucket `mesh_grants`: written by control, watched by gateways.
 */
import { jetstream } from '@nats-io/jetstream';
import { headers, type NatsConnection } from '@nats-io/transport-node';
import type { LightPublisher } from './publisher.js';
import { encodeHeaders, header, HeaderBlock } from '../wire/headers.js';
import { limits } from '../wire/limits.js';
import { steadyWatch, type SteadyWatch } from './steady-watch.js';
import { openBucket } from './streams.js';

/** A change of what grants are judged by. `publicKey` is undefined when the name is gone. */
export type GrantChange =
  | { readonly kind: 'holder' | 'issuer'; readonly name: string; readonly publicKey: string | undefined }
  | { readonly kind: 'introduced'; readonly digest: string; readonly grant: Introduced | undefined }
  | { readonly kind: 'revoked'; readonly id: string; readonly atMs: number }
  | { readonly kind: 'revoked-holder'; readonly holder: string; readonly untilMs: number };

/** A grant that its holder introduced: its text. */
export interface Introduced {
  readonly holder: string;
  readonly grant: string;
}

/** What stands with a revocation. */
export interface RevocationNote {
  readonly at: number;
  readonly by: string;
  readonly why?: string;
}

const HOLDER = 'holder.';
const ISSUER = 'issuer.';
const INTRODUCED = 'introduced.';
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
    if (key.startsWith(INTRODUCED)) {
      onChange({
        kind: 'introduced',
        digest: key.slice(INTRODUCED.length),
        grant: message?.json<Introduced>(),
      });
    } else if (message !== undefined && key.startsWith(REVOKED_ID)) {
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

/** Keep a grant under its digest for so long; false: it could not be made durable (gateways only). */
export async function putIntroduced(
  pub: LightPublisher,
  digest: string,
  grant: Introduced,
  lifeMs: number,
): Promise<boolean> {
  const body = Buffer.from(JSON.stringify(grant));
  const headers = encodeHeaders([[header.ttl, `${Math.ceil(lifeMs / 1_000)}s`]]);
  const ack = await pub.publishAsync(`$KV.mesh_grants.${INTRODUCED}${digest}`, body, headers);
  return ack.kind === 'stored';
}

/** What stands under a digest now, asked of the leader; undefined: nothing. Rejects when nobody answers. */
export async function getIntroduced(nc: NatsConnection, digest: string): Promise<Introduced | undefined> {
  const wanted = JSON.stringify({ last_by_subj: `$KV.mesh_grants.${INTRODUCED}${digest}` });
  const to = '$JS.API.STREAM.MSG.GET.KV_mesh_grants';
  const reply = (await nc.request(to, wanted, { timeout: 2_000 })).json<{
    error?: { code: number; description: string };
    message?: { hdrs?: string; data?: string };
  }>();
  const { message, error } = reply;
  if (message === undefined && error?.code !== 404) {
    throw new Error(`mesh_grants: ${error?.description ?? 'no answer'}`);
  }
  const headers = new HeaderBlock(Buffer.from(message?.hdrs ?? '', 'base64'));
  const gone = headers.get('KV-Operation') !== undefined || headers.get('Nats-Marker-Reason') !== undefined;
  return message?.data === undefined || gone
    ? undefined
    : (JSON.parse(Buffer.from(message.data, 'base64').toString()) as Introduced);
}

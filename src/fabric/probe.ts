/**
 * Trying what the server lets happen: strangers who come, users who do what they must not. Nothing that is tried can do
 * harm where it is let through: it names nobody, and no stream stores it.
 */
import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import { permissionsOf, type PermissionSet, type Role } from '../wire/generated/permissions.js';
import { asToken } from '../wire/names.js';
import { deniedSubject } from './connection.js';
import { createUserKey, signerOf } from './keys.js';
import { tlsFiles } from './tls.js';

const CONNECT_MS = 5_000;
const ANSWER_MS = 2_000;

/** A stranger and whether the server let it in. */
export interface Stranger {
  readonly shows: string;
  readonly let: boolean;
}

/** Come without a name, and with a key nobody knows. Whatever goes wrong is no way in. */
export async function tryStrangers(url: string): Promise<Stranger[]> {
  const { seed } = createUserKey();
  return await Promise.all([comes(url, 'nothing'), comes(url, 'a key of its own', seed)]);
}

async function comes(url: string, shows: string, seed?: string): Promise<Stranger> {
  const caFile = tlsFiles()?.caFile; // our own certificate could be a name
  const signer = seed === undefined ? undefined : signerOf(seed);
  try {
    const nc = await connect({
      servers: url.replace(/\/\/[^/@]*@/, '//'),
      name: `check: does a stranger with ${shows} come in?`,
      reconnect: false,
      timeout: CONNECT_MS,
      ignoreClusterUpdates: true,
      ...(caFile === undefined ? {} : { tls: { caFile } }),
      ...(signer === undefined
        ? {}
        : {
            authenticator: (nonce) => ({
              nkey: signer.publicKey,
              sig: nonce === undefined ? '' : signer.sign(nonce),
            }),
          }),
    });
    await nc.close();
    return { shows, let: true };
  } catch {
    return { shows, let: false };
  }
}

/** A user, the rights the server says it has, and those that were generated. */
export interface OwnRights {
  readonly user: string;
  readonly found: PermissionSet | undefined;
  readonly want: PermissionSet;
}

interface UserInfo {
  readonly data?: {
    readonly permissions?: Partial<Record<'publish' | 'subscribe', { readonly allow?: readonly string[] }>>;
  };
}

/** What the server says that the user of this connection may do. An empty list is everything. */
export async function rightsOf(nc: NatsConnection, name: string, role: Role): Promise<OwnRights> {
  const want = permissionsOf(role, asToken(name, 'the name of a user'));
  const said = await nc.request('$SYS.REQ.USER.INFO', '', { timeout: ANSWER_MS }).then(
    (msg) => msg.json<UserInfo>().data,
    () => undefined,
  );
  const { publish, subscribe } = said?.permissions ?? {};
  const found = { publish: publish?.allow ?? [], subscribe: subscribe?.allow ?? [] };
  return { user: name, want, found: said === undefined ? undefined : found };
}

/** Something to try. */
export interface Try {
  readonly verb: 'publish' | 'subscribe';
  readonly subject: string;
}

/** Try each; what the server let happen. The connection must be of a user that does nothing else. */
export async function tryAll(nc: NatsConnection, tries: readonly Try[]): Promise<Try[]> {
  const refused = new Set<string>();
  void (async () => {
    for await (const status of nc.status()) {
      const subject = deniedSubject(status);
      if (subject !== undefined) {
        refused.add(subject);
      }
    }
  })();
  const done: Try[] = [];
  for (const one of tries) {
    const { verb, subject } = one;
    refused.clear();
    if (verb === 'publish') {
      const lines = headers();
      lines.set('Nats-Expected-Stream', 'none'); // so none of ours takes it
      nc.publish(subject, '', { headers: lines });
      await nc.flush();
    } else {
      const sub = nc.subscribe(subject, { callback: () => undefined });
      await nc.flush();
      sub.unsubscribe();
    }
    await new Promise((resolve) => setImmediate(resolve)); // the status comes a turn later than the answer
    if (!refused.has(subject)) {
      done.push(one);
    }
  }
  return done;
}

interface Connections {
  readonly data?: { readonly connections?: readonly { readonly subscriptions_list?: readonly string[] }[] };
}

/** How many connections of these users hold this subscription, on all servers. */
export async function listeners(
  nc: NatsConnection,
  users: readonly string[],
  subject: string,
): Promise<number> {
  let count = 0;
  for (const user of users) {
    const request = JSON.stringify({ auth: true, user, subscriptions: true });
    const options = { strategy: 'stall', stall: 100, maxWait: ANSWER_MS } as const;
    for await (const msg of await nc.requestMany('$SYS.REQ.ACCOUNT.PING.CONNZ', request, options)) {
      const all = msg.json<Connections>().data?.connections ?? [];
      count += all.filter(({ subscriptions_list: list = [] }) => list.includes(subject)).length;
    }
  }
  return count;
}

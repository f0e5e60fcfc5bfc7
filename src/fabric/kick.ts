/**
 * Cutting connections: the server is asked who is connected as a user, and told to close those connections.
 */
import type { NatsConnection } from '@nats-io/transport-node';

const LIST = '$SYS.REQ.ACCOUNT.PING.CONNZ';
const LIST_MS = 1_000;
/** Servers of a cluster answer one after the other; silence of this length means that all have. */
const STALL_MS = 100;
const PAGE = 1_024;

interface Page {
  readonly server?: { readonly id?: string };
  readonly data?: { readonly connections?: readonly { readonly cid: number }[] };
}

/**
 * Cut every connection of the users, by the names under which the server knows them: their keys, or their names where
 * identity says who they are. Returns how many there were. Throws when the server does not let us.
 */
export async function kick(nc: NatsConnection, users: readonly string[]): Promise<number> {
  const found = (await Promise.all(users.map((user) => connectionsOf(nc, user)))).flat();
  await Promise.all(
    found.map(({ server, cid }) =>
      nc.request(`$SYS.REQ.SERVER.${server}.KICK`, JSON.stringify({ cid }), { timeout: LIST_MS }),
    ),
  );
  return found.length;
}

/**
 * Is this connection still there, by the word of its server? A server that does not answer while others do is gone,
 * and its connections with it. Throws when no server answers.
 */
export async function isConnected(nc: NatsConnection, serverId: string, cid: number): Promise<boolean> {
  const pages = await nc.requestMany(LIST, JSON.stringify({ cid }), {
    strategy: 'stall',
    stall: STALL_MS,
    maxWait: LIST_MS,
  });
  let answers = 0;
  let there = false;
  for await (const msg of pages) {
    const { server, data } = msg.json<Page>();
    answers++;
    there ||= server?.id === serverId && (data?.connections ?? []).some((one) => one.cid === cid);
  }
  if (answers === 0) {
    throw new Error('no server tells who is connected');
  }
  return there;
}

async function connectionsOf(nc: NatsConnection, user: string): Promise<{ server: string; cid: number }[]> {
  const request = JSON.stringify({ auth: true, user, limit: PAGE });
  const found: { server: string; cid: number }[] = [];
  const pages = await nc.requestMany(LIST, request, { strategy: 'stall', stall: STALL_MS, maxWait: LIST_MS });
  for await (const msg of pages) {
    const { server, data } = msg.json<Page>();
    found.push(...(data?.connections ?? []).map(({ cid }) => ({ server: server?.id ?? '', cid })));
  }
  return found;
}

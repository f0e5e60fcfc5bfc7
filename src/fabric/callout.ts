/**
 * The server's question who somebody is (auth callout), and our answer: a user that lives as long as its proof. Both
 * are encrypted between server and us, and both are signed.
 */
import { createCurve, fromCurveSeed, type KeyPair } from '@nats-io/nkeys';
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { MeshError, meshError } from '../wire/errors.js';
import { permissionsOf, type Role } from '../wire/generated/permissions.js';
import { asToken } from '../wire/names.js';
import { createIssuerKey, issuerOf } from './keys.js';
import { decodeNatsJwt, encodeNatsJwt, type Signer } from './nats-jwt.js';

/** What a connection presents, as the server heard it. */
export interface Presented {
  /** Address and, if it says one, name of the client: for people who read the log. Nothing here is proven. */
  readonly client: string;
  /** What the server gave this connection to sign. */
  readonly nonce: string;
  readonly nkey?: string;
  readonly signature?: string;
  readonly token?: string;
  /** The leaf of each chain of certificates that the server itself has verified, in PEM. */
  readonly certificates: readonly string[];
}

/** Who it is, and until when. */
export interface Admitted {
  readonly name: string;
  readonly role: Role;
  /** Epoch ms; the server cuts the connection then. */
  readonly untilMs: number;
}

/** The keys of the callout. */
export interface CalloutKeys {
  readonly issuer: Signer;
  readonly curve: KeyPair;
}

/** The same as texts, which are kept secret: who has them can be everybody. */
export interface CalloutSeeds {
  readonly issuer: string;
  readonly curve: string;
}

/** Read the keys from their seeds. Throws `config_invalid`; `where` names their file. */
export function calloutKeys(seeds: CalloutSeeds, where: string): CalloutKeys {
  try {
    return { issuer: issuerOf(seeds.issuer, where), curve: fromCurveSeed(Buffer.from(seeds.curve)) };
  } catch (err) {
    throw err instanceof MeshError
      ? err
      : meshError('config_invalid', { file: where, where: '/curve', why: 'it is not a curve seed' }, err);
  }
}

/** Make the keys of a mesh. */
export function createCalloutSeeds(): CalloutSeeds {
  return { issuer: createIssuerKey().seed, curve: Buffer.from(createCurve().getSeed()).toString('utf8') };
}

/** Name of the account in which everybody is. */
const ACCOUNT = 'MESH';
const SUBJECT = '$SYS.REQ.USER.AUTH';
const QUEUE = 'identity';
const SERVER_KEY = 'Nats-Server-Xkey';

/** The code of a refusal: for the log of the server; the client is told nothing but no. */
export interface Refused {
  readonly refused: string;
}

/** Answers a question. `undefined` leaves it without an answer, and the server refuses after a while. */
export type Decide = (presented: Presented) => Promise<Admitted | Refused | undefined>;

/** Answer the server's questions; the members of the group share them. Returns how to stop. */
export function answerCallouts(nc: NatsConnection, keys: CalloutKeys, decide: Decide): () => void {
  const sub = nc.subscribe(SUBJECT, {
    queue: QUEUE,
    callback: (err, msg) => {
      if (err === null) {
        void answer(keys, msg, decide);
      }
    },
  });
  return () => sub.unsubscribe();
}

async function answer(keys: CalloutKeys, msg: Msg, decide: Decide): Promise<void> {
  const serverKey = msg.headers?.get(SERVER_KEY) ?? '';
  const question = read(keys, msg, serverKey);
  if (question === undefined) {
    return; // not from a server of ours: whoever it is learns nothing
  }
  const { userKey, serverId, presented } = question;
  const decided = await decide(presented);
  if (decided === undefined) {
    return;
  }
  const nats = { type: 'authorization_response', version: 2 };
  const said =
    'refused' in decided ? { error: decided.refused } : { jwt: userJwt(keys.issuer, userKey, decided) };
  const reply = encodeNatsJwt({ sub: userKey, aud: serverId, nats: { ...nats, ...said } }, keys.issuer);
  msg.respond(keys.curve.seal(Buffer.from(reply), serverKey));
}

function userJwt(issuer: Signer, userKey: string, { name, role, untilMs }: Admitted): string {
  const { publish, subscribe } = permissionsOf(role, asToken(name, 'the name of a user'));
  return encodeNatsJwt(
    {
      sub: userKey,
      aud: ACCOUNT,
      name,
      exp: Math.floor(untilMs / 1000),
      nats: {
        pub: rights(publish),
        sub: rights(subscribe),
        subs: -1,
        data: -1,
        payload: -1,
        type: 'user',
        version: 2,
      },
    },
    issuer,
  );
}

/** The server reads an empty allow-list as "everything". */
function rights(subjects: readonly string[]): object {
  return subjects.length === 0 ? { deny: ['>'] } : { allow: subjects };
}

interface Question {
  readonly userKey: string;
  readonly serverId: string;
  readonly presented: Presented;
}

/** The parts of a question that we look at, as the server names them. */
interface Asked {
  readonly type?: string;
  readonly user_nkey?: string;
  readonly server_id?: { readonly id?: string; readonly xkey?: string };
  readonly client_info?: { readonly host?: string; readonly name?: string; readonly nonce?: string };
  readonly connect_opts?: { readonly nkey?: string; readonly sig?: string; readonly auth_token?: string };
  readonly client_tls?: { readonly verified_chains?: readonly (readonly string[])[] };
}

function read({ curve }: CalloutKeys, msg: Msg, serverKey: string): Question | undefined {
  const opened = serverKey === '' ? null : open(curve, msg.data, serverKey);
  const claims = opened === null ? undefined : decodeNatsJwt(Buffer.from(opened).toString('utf8'));
  const asked = (claims?.nats ?? {}) as Asked;
  const { user_nkey: userKey, server_id: server, connect_opts: said = {}, client_info: client = {} } = asked;
  const whole =
    asked.type === 'authorization_request' &&
    claims?.aud === 'nats-authorization-request' &&
    (claims.exp ?? 0) * 1000 > Date.now() &&
    server?.id === claims.iss &&
    server.xkey === serverKey;
  if (!whole || userKey === undefined) {
    return undefined;
  }
  return {
    userKey,
    serverId: claims.iss,
    presented: {
      client: [client.name, client.host].filter((part) => part !== undefined).join(' at '),
      nonce: client.nonce ?? '',
      ...(said.nkey === undefined ? {} : { nkey: said.nkey }),
      ...(said.sig === undefined ? {} : { signature: said.sig }),
      ...(said.auth_token === undefined ? {} : { token: said.auth_token }),
      certificates: (asked.client_tls?.verified_chains ?? []).flatMap((chain) => chain.slice(0, 1)),
    },
  };
}

function open(curve: KeyPair, data: Uint8Array, from: string): Uint8Array | null {
  try {
    return curve.open(data, from);
  } catch {
    return null;
  }
}

/**
 * A real OpenID provider on loopback, and tokens that are almost right, signed with its own keys or with others.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';
import Provider from 'oidc-provider';

/** The audience of the mesh in tests. */
export const AUDIENCE = 'urn:capmesh';

/** A running provider. */
export interface Oidc {
  readonly issuer: string;
  /** Requests for its keys so far. */
  readonly keysAsked: number;
  /** An access token from its token endpoint, for a client that is named like this. */
  token(client: string): Promise<string>;
  /** A token signed with its key (or another), with claims and header as they are given. */
  sign(claims: Record<string, unknown>, header?: Record<string, unknown>, key?: CryptoKey): Promise<string>;
  /** Its public key, as everybody can read it. */
  readonly publicJwk: JWK;
  /** Its keys cannot be read any more, or again. */
  away(away: boolean): void;
  /** Sign with a new key from now on; it is shown beside the old one. */
  rotate(): Promise<void>;
  stop(): Promise<void>;
}

/** Claims of a token that is right in everything; tests spoil one. */
export function goodClaims(issuer: string, sub: string): Record<string, unknown> {
  const now = Math.floor(Date.now() / 1000);
  return { iss: issuer, aud: AUDIENCE, sub, client_id: sub, iat: now, exp: now + 300 };
}

const listen = (server: Server): Promise<number> =>
  new Promise((done) => {
    server.listen(0, '127.0.0.1', () => done((server.address() as AddressInfo).port));
  });

async function makeKey(kid: string): Promise<{ own: JWK; shown: JWK; key: CryptoKey }> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const facts = { kid, alg: 'ES256', use: 'sig' };
  return {
    own: { ...(await exportJWK(privateKey)), ...facts },
    shown: { ...(await exportJWK(publicKey)), ...facts },
    key: privateKey,
  };
}

/** Start one for clients of these names; tokens live `seconds`. */
export async function startOidc(clients: readonly string[], seconds = 300): Promise<Oidc> {
  let handle: ReturnType<Provider['callback']> | undefined;
  let isAway = false;
  let keysAsked = 0;
  const server = createServer((request, response) => {
    const forKeys = request.url === '/jwks';
    keysAsked += Number(forKeys);
    if (forKeys && isAway) {
      response.writeHead(503).end();
    } else {
      handle?.(request, response);
    }
  });
  const issuer = `http://127.0.0.1:${await listen(server)}`;
  let current = await makeKey('k1');
  const all = [current];
  const build = (): void => {
    handle = new Provider(issuer, {
      jwks: { keys: all.map(({ own }) => own).toReversed() },
      clients: clients.map((id) => ({
        client_id: id,
        client_secret: 'a-secret-of-a-test',
        id_token_signed_response_alg: 'ES256',
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
      })),
      features: {
        clientCredentials: { enabled: true },
        devInteractions: { enabled: false },
        resourceIndicators: {
          enabled: true,
          defaultResource: () => AUDIENCE,
          getResourceServerInfo: () => ({
            scope: '',
            audience: AUDIENCE,
            accessTokenTTL: seconds,
            accessTokenFormat: 'jwt',
            jwt: { sign: { alg: 'ES256' } },
          }),
        },
      },
    }).callback();
  };
  build();
  return {
    issuer,
    get keysAsked() {
      return keysAsked;
    },
    get publicJwk() {
      return current.shown;
    },
    token: (client) => askToken(issuer, client),
    sign: (claims, header = {}, key = current.key) =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: 'ES256', kid: current.own.kid, ...header } as never)
        .sign(key),
    away: (on) => void (isAway = on),
    rotate: async () => {
      current = await makeKey(`k${all.length + 1}`);
      all.push(current);
      build();
    },
    stop: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

async function askToken(issuer: string, client: string): Promise<string> {
  const response = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${client}:a-secret-of-a-test`).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', resource: AUDIENCE }),
  });
  const { access_token: token } = (await response.json()) as { access_token?: string };
  if (token === undefined) {
    throw new Error(`no token: ${response.status}`);
  }
  return token;
}

/**
 * Who connects: proofs that are right, and proofs that are almost right. Each refusal is told in the log by its code,
 * and stands beside a proof of the same kind that is taken.
 */
import { createHmac, generateKeyPairSync } from 'node:crypto';
import { exportSPKI, generateKeyPair, importJWK, SignJWT, UnsecuredJWT, type CryptoKey } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect, type Mesh } from '../../src/agent/index.js';
import { connectBroker, type NatsConnection } from '../../src/fabric/connection.js';
import { createUserKey, rawPublic } from '../../src/fabric/keys.js';
import type { Log } from '../../src/wire/log.js';
import { calculateJwkThumbprint } from 'jose';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';
import { AUDIENCE, goodClaims, startOidc, type Oidc } from '../support/oidc.js';

let oidc: Oidc;
let mesh: TestMesh;
const lines: Record<string, unknown>[] = [];
const note = (facts: object, message: string) => void lines.push({ ...facts, message });
const log: Log = { debug: note, info: note, warn: note, error: note };

/** What identity said of the connection with this label. */
const said = (label: string) => lines.filter((line) => String(line['client']).startsWith(`${label} at `));

beforeAll(async () => {
  oidc = await startOidc(['shop', 'stock', 'inventory', 'gateway', 'ops']);
  const rules = {
    version: 1,
    session: 600,
    issuers: [
      {
        issuer: oidc.issuer,
        audience: AUDIENCE,
        algorithms: ['ES256'],
        name: { claim: 'client_id', prefix: 'o-' },
        role: { claim: 'sub', map: { stock: 'agent', shop: 'caller', gateway: 'caller', mallory: 'caller' } },
      },
    ],
  };
  mesh = await startTestMesh({
    users: { me: 'caller', inventory: 'agent', 'o-taken': 'caller' },
    policy: {
      version: 1,
      roles: { everyone: { call: ['>'], serve: ['>'], mayRoot: true } },
      members: Object.fromEntries(
        ['me', 'inventory', 'o-shop', 'o-stock'].map((name) => [name, ['everyone']]),
      ),
    },
    identity: { rules: JSON.stringify(rules) },
    log,
  });
});
afterAll(async () => {
  await mesh.stop();
  await oidc.stop();
});

let nth = 0;
interface Proof {
  readonly token?: string;
  readonly seed?: string;
  readonly as?: string;
}

/** Try to connect; what the log says of it: `admitted`, or the code of the refusal. */
async function attempt(proof: Proof): Promise<string> {
  const label = `try-${++nth}`;
  const { token } = proof;
  const name = proof.as ?? 'o-shop';
  const nc = await connectBroker({
    url: mesh.url,
    name,
    label,
    ...(token === undefined ? {} : { token: () => token }),
    ...(proof.seed === undefined ? {} : { seed: proof.seed }),
  }).catch(() => undefined);
  await nc?.close();
  const [line] = await until(() => (said(label).length > 0 ? said(label) : undefined));
  const verdict = String(line?.['code'] ?? line?.['message']);
  expect(nc === undefined, `${verdict} and the connection agree`).toBe(verdict !== 'admitted');
  return verdict;
}

const claims = (more: object = {}) => ({ ...goodClaims(oidc.issuer, 'shop'), ...more });
const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds;

describe('tokens', () => {
  it('of the provider let in, under the name and role of their claims', async () => {
    const token = await oidc.token('shop');
    expect(await attempt({ token })).toBe('admitted');
    const shop = await connect({ url: mesh.url, name: 'o-shop', token });
    const stock = await connect({ url: mesh.url, name: 'o-stock', token: () => oidc.token('stock') });
    await stock.serve('stock.count', () => ({ count: 3 }));
    expect(await shop.call('stock.count')).toEqual({ count: 3 });
    await Promise.all([shop.close(), stock.close()]);
  });

  const other = () => generateKeyPair('ES256', { extractable: true });
  const hmac = async (): Promise<string> => {
    // The public key as the secret of an HMAC: what a verifier does that believes the header.
    const key = await importJWK(oidc.publicJwk, 'ES256', { extractable: true });
    const pem = await exportSPKI(key as CryptoKey);
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const text = `${part({ alg: 'HS256', kid: 'k1', typ: 'at+jwt' })}.${part(claims())}`;
    return `${text}.${createHmac('sha256', pem).update(text).digest('base64url')}`;
  };
  const flip = (token: string): string => {
    const [head = '', body = '', signature = ''] = token.split('.');
    return [head, body, (signature.startsWith('A') ? 'B' : 'A') + signature.slice(1)].join('.');
  };
  const widened = async (): Promise<string> => {
    const [head = '', , signature = ''] = (await oidc.sign(claims())).split('.');
    return [
      head,
      Buffer.from(JSON.stringify(claims({ sub: 'stock' }))).toString('base64url'),
      signature,
    ].join('.');
  };

  const cases: [what: string, code: string, make: () => string | Promise<string>][] = [
    ['a text that is no token', 'token_broken', () => 'hello'],
    ['three parts of nothing', 'token_broken', () => 'a.b.c'],
    ['a signature that was changed', 'token_broken', async () => flip(await oidc.sign(claims()))],
    ['claims that were changed', 'token_broken', widened],
    [
      'a key of somebody else under a known name',
      'token_broken',
      async () => oidc.sign(claims(), {}, (await other()).privateKey),
    ],
    [
      'a key that comes with the token',
      'token_key_unknown',
      async () => {
        const { privateKey, publicKey } = await other();
        const { exportJWK } = await import('jose');
        return oidc.sign(claims(), { kid: 'mine', jwk: await exportJWK(publicKey) }, privateKey);
      },
    ],
    [
      'a place to fetch a key from',
      'token_key_unknown',
      async () => oidc.sign(claims(), { kid: 'x', jku: `${oidc.issuer}/other` }, (await other()).privateKey),
    ],
    ['no algorithm', 'token_algorithm', () => new UnsecuredJWT(claims()).encode()],
    ['the public key as a secret (HS256)', 'token_algorithm', hmac],
    [
      'an algorithm that is not on the list',
      'token_algorithm',
      async () => {
        const { privateKey } = await generateKeyPair('ES384');
        return new SignJWT(claims()).setProtectedHeader({ alg: 'ES384', kid: 'k1' }).sign(privateKey);
      },
    ],
    [
      'a header that must be understood',
      'token_broken',
      () =>
        oidc.sign(claims({}), { crit: ['odd'], odd: 1 }).catch(
          // jose itself refuses to sign it, so the part is made by hand
          async () => {
            const [, body = '', signature = ''] = (await oidc.sign(claims())).split('.');
            const head = { alg: 'ES256', kid: 'k1', crit: ['odd'], odd: 1 };
            return [Buffer.from(JSON.stringify(head)).toString('base64url'), body, signature].join('.');
          },
        ),
    ],
    ['an end that has passed', 'token_expired', () => oidc.sign(claims({ exp: inSeconds(-60) }))],
    ['no end', 'token_broken', () => oidc.sign({ ...claims(), exp: undefined })],
    ['a beginning that has not come', 'token_early', () => oidc.sign(claims({ nbf: inSeconds(60) }))],
    ['another audience', 'token_audience', () => oidc.sign(claims({ aud: 'urn:other' }))],
    ['no audience', 'token_audience', () => oidc.sign({ ...claims(), aud: undefined })],
    ['another issuer', 'token_issuer', () => oidc.sign(claims({ iss: 'https://login.example' }))],
    ['an issuer that is like ours', 'token_issuer', () => oidc.sign(claims({ iss: `${oidc.issuer}/` }))],
    ['no issuer', 'token_issuer', () => oidc.sign({ ...claims(), iss: undefined })],
    ['a name that cannot be one', 'token_unnamed', () => oidc.sign(claims({ client_id: 'a.b.>' }))],
    ['no name', 'token_unnamed', () => oidc.sign({ ...claims(), client_id: undefined })],
    ['a name that is not a text', 'token_unnamed', () => oidc.sign(claims({ client_id: ['shop'] }))],
    ['a role that is not on the list', 'token_unnamed', () => oidc.sign(claims({ sub: 'operator' }))],
    ['the name of somebody with a key', 'name_taken', () => oidc.sign(claims({ client_id: 'taken' }))],
    [
      'more bytes than a token may have',
      'token_too_large',
      () => oidc.sign(claims({ pad: 'x'.repeat(2_650) })),
    ],
    [
      'a key it is bound to, which is not proven',
      'token_unbound',
      () => oidc.sign(claims({ cnf: { jkt: 'a'.repeat(43) } })),
    ],
  ];
  it.each(cases)('with %s are refused: %s', async (_, code, make) => {
    expect(await attempt({ token: await make() })).toBe(code);
    expect(await attempt({ token: await oidc.sign(claims()) })).toBe('admitted');
  });

  it('larger than the server reads never reach identity', async () => {
    const token = await oidc.sign(claims({ pad: 'x'.repeat(60_000) }));
    await expect(
      connectBroker({ url: mesh.url, name: 'o-shop', label: 'huge', timeoutMs: 1_000, token: () => token }),
    ).rejects.toThrow(/connection_failed|permission_denied/);
    expect(await attempt({ token: await oidc.sign(claims()) })).toBe('admitted');
    expect(said('huge')).toEqual([]);
  });

  it('bound to a key let in who has the key', async () => {
    const { seed, publicKey } = createUserKey();
    const x = Buffer.from(rawPublic(publicKey) ?? []).toString('base64url');
    const jkt = await calculateJwkThumbprint({ kty: 'OKP', crv: 'Ed25519', x });
    const token = await oidc.sign(claims({ cnf: { jkt } }));
    expect(await attempt({ token })).toBe('token_unbound');
    expect(await attempt({ token, seed: createUserKey().seed })).toBe('token_unbound');
    expect(await attempt({ token, seed })).toBe('admitted');
  });

  it('that fail are not made good by a key beside them', async () => {
    const { seed } = mesh.credentials('me');
    expect(await attempt({ seed, token: await oidc.sign(claims({ exp: inSeconds(-60) })) })).toBe(
      'token_expired',
    );
    expect(await attempt({ seed, as: 'me' })).toBe('admitted');
  });
});

describe('keys', () => {
  it('that are registered let in; others do not', async () => {
    expect(await attempt({ ...mesh.credentials('me'), as: 'me' })).toBe('admitted');
    expect(await attempt({ ...createUserKey(), as: 'me' })).toBe('key_unknown');
  });

  it('must sign the nonce of their own connection', async () => {
    const raw = await import('node:net');
    const { publicKey } = (await import('../../src/fabric/keys.js')).signerOf(mesh.credentials('me').seed);
    const answer = await new Promise<string>((done, fail) => {
      const socket = raw.connect(Number(new URL(mesh.url).port), '127.0.0.1');
      let text = '';
      socket.on('error', fail).on('close', () => done(text));
      socket.on('data', (chunk) => {
        text += String(chunk);
        if (text.startsWith('INFO') && !text.includes('-ERR') && socket.listenerCount('drain') === 0) {
          const sig = generateKeyPairSync('ed25519').publicKey.export({ format: 'der', type: 'spki' });
          const options = { nkey: publicKey, sig: sig.toString('base64url'), name: 'thief', verbose: false };
          socket.once('drain', () => undefined).write(`CONNECT ${JSON.stringify(options)}\r\nPING\r\n`);
        }
      });
    });
    expect(answer).toContain('Authorization Violation');
    expect(said('thief').map((line) => line['code'])).toEqual(['proof_broken']);
  });

  it('without any proof nobody gets in', async () => {
    expect(await attempt({})).toBe('proof_missing');
  });
});

describe('what a session may', () => {
  const sessions: Record<string, NatsConnection> = {};
  let running: Mesh;
  beforeAll(async () => {
    const byKey = (name: string) => mesh.broker(name);
    sessions['caller'] = await byKey('me');
    sessions['agent'] = await byKey('inventory');
    const token = await oidc.token('shop');
    sessions['caller by token'] = await connectBroker({ url: mesh.url, name: 'o-shop', token: () => token });
    running = await mesh.connect('inventory');
    await running.serve('inventory.query', () => ({ inStock: 3 }));
  });
  afterAll(async () => {
    await Promise.all(Object.values(sessions).map((nc) => nc.close()));
  });

  const denied = [
    '$JS.API.INFO',
    '$JS.API.STREAM.LIST',
    '$JS.API.STREAM.MSG.GET.KV_mesh_identity',
    '$JS.API.STREAM.CREATE.MINE',
    '$KV.mesh_identity.revoked.me',
    '$KV.mesh_registry.card.inventory',
    '$SYS.REQ.SERVER.PING',
    '$SYS.REQ.SERVER.PING.CONNZ',
    '$SYS.REQ.ACCOUNT.PING.CONNZ',
    '$SYS.REQ.USER.INFO',
    '$SYS.REQ.USER.AUTH',
    '$SYS._INBOX.x.y',
    '$SRV.PING',
    'mesh.v1.admin.me.revoke',
    'mesh.v1.admin.operator.revoke',
  ];
  it.each(['caller', 'agent', 'caller by token'])('a %s: nothing but its own subjects', async (who) => {
    const nc = sessions[who] as NatsConnection;
    const errors: string[] = [];
    void (async () => {
      for await (const status of nc.status()) {
        if (status.type === 'error') {
          errors.push(status.error.message);
        }
      }
    })();
    denied.forEach((subject) => nc.publish(subject, '{}'));
    const heard = ['>', '$SYS.>', '$SYS.REQ.USER.AUTH', '$KV.>', 'mesh.v1.>', '_INBOX.>', '$JS.EVENT.>'];
    heard.forEach((subject) => nc.subscribe(subject, { callback: () => undefined }));
    await nc.flush();
    await until(() => errors.length >= denied.length + heard.length);
    expect(errors.filter((text) => !text.toLowerCase().includes('permissions violation'))).toEqual([]);
  });

  it('what it is for works', async () => {
    const me = await mesh.connect('me');
    expect(await me.call('inventory.query')).toEqual({ inStock: 3 });
  });

  it('the same subjects work for whom they are for', async () => {
    const control = await mesh.broker('control');
    const reply = await control.request('$SYS.REQ.ACCOUNT.PING.CONNZ', '{"auth":true}', { timeout: 1_000 });
    const users = reply.json<{ data: { connections: { authorized_user: string }[] } }>().data.connections;
    expect(users.map((one) => one.authorized_user)).toEqual(
      expect.arrayContaining(['me', 'inventory', 'o-shop']),
    );
  });
});

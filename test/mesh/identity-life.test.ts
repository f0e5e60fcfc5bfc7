/**
 * How members come, stay and go: enrolment, sessions that are renewed, revocation.
 */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect, newCallId, type Mesh } from '../../src/agent/index.js';
import { connectBroker, type NatsConnection } from '../../src/fabric/connection.js';
import { createUserKey } from '../../src/fabric/keys.js';
import { enrolDigest, enrolPrefix } from '../../src/wire/enrolment.js';
import { MeshError } from '../../src/wire/errors.js';
import type { Log } from '../../src/wire/log.js';
import { pace, startTestMesh, until, type TestMesh } from '../support/mesh.js';
import { AUDIENCE, startOidc, type Oidc } from '../support/oidc.js';

const SESSION_S = 3;
let mesh: TestMesh;
let oidc: Oidc;
const lines: Record<string, unknown>[] = [];
const note = (facts: object, message: string) => void lines.push({ ...facts, message });
const log: Log = { debug: note, info: note, warn: note, error: note };

beforeAll(async () => {
  oidc = await startOidc(['worker', 'asker'], SESSION_S);
  const rules = {
    version: 1,
    issuers: [
      {
        issuer: oidc.issuer,
        audience: AUDIENCE,
        algorithms: ['ES256'],
        name: { claim: 'sub', map: { worker: 'worker', asker: 'asker' } },
        role: { claim: 'sub', map: { worker: 'agent', asker: 'caller' } },
      },
    ],
  };
  const names = ['me', 'other', 'evil', 'twin', 'newcomer', 'worker', 'asker'];
  mesh = await startTestMesh({
    users: { me: 'caller', other: 'caller', evil: 'agent', twin: 'agent' },
    policy: {
      version: 1,
      roles: { all: { call: ['>'], serve: ['>'], mayRoot: true } },
      members: Object.fromEntries(names.map((name) => [name, ['all']])),
    },
    identity: { processes: 2, rules: JSON.stringify(rules) },
    log,
  });
});
afterAll(async () => {
  await mesh.stop();
  await oidc.stop();
});

const admin = async (what: string, body: object): Promise<Record<string, unknown>> => {
  const reply = await mesh.operator.request(`mesh.v1.admin.operator.${what}`, JSON.stringify(body), {
    timeout: 5_000,
  });
  return reply.json();
};
const invite = async (name: string, lifeMs = 60_000): Promise<string> => {
  const token = enrolPrefix + randomBytes(32).toString('base64url');
  const said = await admin('enrol', {
    agent: name,
    role: 'agent',
    digest: enrolDigest(token),
    until: Date.now() + lifeMs,
  });
  expect(said['name'] ?? said['code']).toBe(name);
  return token;
};
const enter = (name: string, seed: string, token?: string): Promise<NatsConnection> =>
  connectBroker({ url: mesh.url, name, seed, ...(token === undefined ? {} : { token: () => token }) });
const codeOf = (err: unknown): string => (err instanceof MeshError ? err.code : String(err));
const refusals = (code: string): number => lines.filter((line) => line['code'] === code).length;

describe('enrolment', () => {
  it('makes a key the key of a name, once', async () => {
    const token = await invite('newcomer');
    const { seed } = createUserKey();
    await (await enter('newcomer', seed, token)).close();
    await (await enter('newcomer', seed)).close(); // from now on the key is enough
    await expect(enter('newcomer', createUserKey().seed, token)).rejects.toThrow('permission_denied');
    expect(refusals('enrolment_invalid')).toBe(1);
    await (await enter('newcomer', seed)).close();
  });

  it('of many that try at once one wins', async () => {
    const token = await invite('newcomer');
    const seeds = Array.from({ length: 12 }, () => createUserKey().seed);
    const tries = await Promise.allSettled(seeds.map((seed) => enter('newcomer', seed, token)));
    const won = tries.flatMap((one, i) =>
      one.status === 'fulfilled' ? [{ nc: one.value, seed: seeds[i] ?? '' }] : [],
    );
    expect(won.length).toBe(1);
    await won[0]?.nc.close();
    await (await enter('newcomer', won[0]?.seed ?? '')).close();
  });

  it('is of no use when it has ended, was never made, or comes without a key', async () => {
    const before = refusals('enrolment_invalid');
    const short = await invite('newcomer', 50);
    await until(() =>
      enter('newcomer', createUserKey().seed, short).then(
        (nc) => nc.close().then(() => false),
        () => true,
      ),
    );
    await expect(enter('newcomer', createUserKey().seed, `${enrolPrefix}guess`)).rejects.toThrow(
      'permission_denied',
    );
    expect(refusals('enrolment_invalid')).toBeGreaterThanOrEqual(before + 2);
    const token = await invite('newcomer');
    await expect(connectBroker({ url: mesh.url, name: 'newcomer', token: () => token })).rejects.toThrow(
      'permission_denied',
    );
    expect(refusals('proof_broken')).toBe(1);
    await (await enter('newcomer', createUserKey().seed, token)).close();
  });

  it('gives nobody the name of a part of the mesh', async () => {
    const body = { role: 'agent', digest: enrolDigest('x'), until: Date.now() + 1_000 };
    expect((await admin('enrol', { ...body, agent: 'gateway' }))['code']).toBe('name_invalid');
    expect((await admin('enrol', { ...body, agent: 'identity' }))['code']).toBe('name_taken');
    expect((await admin('enrol', { ...body, agent: 'fine', role: 'gateway' }))['code']).toBe(
      'schema_violation',
    );
  });
});

describe('a session', () => {
  it('is renewed before it ends, and no call is lost by it', { timeout: 40_000 }, async () => {
    const asked: number[] = [];
    const worker = await connect({
      url: mesh.url,
      name: 'worker',
      token: () => {
        asked.push(Date.now());
        return oidc.token('worker');
      },
    });
    const asker = await connect({ url: mesh.url, name: 'asker', token: () => oidc.token('asker') });
    await worker.serve('work.do', (body: { n: number }) => pace(20).then(() => ({ n: body.n })));
    const end = Date.now() + 2.5 * SESSION_S * 1000;
    const failed: string[] = [];
    let done = 0;
    const lane = async (): Promise<void> => {
      while (Date.now() < end) {
        await asker.call('work.do', { n: done }).then(
          () => done++,
          (err: unknown) => failed.push(codeOf(err)),
        );
        await pace(10);
      }
    };
    await Promise.all(Array.from({ length: 8 }, lane));
    expect(failed).toEqual([]);
    expect(done).toBeGreaterThan(200);
    expect(asked.length).toBeGreaterThanOrEqual(3);
    await Promise.all([worker.close(), asker.close()]);
  });

  it('ends when its proof ends: the server sees to that', async () => {
    const token = await oidc.token('asker');
    const nc = await connectBroker({ url: mesh.url, name: 'asker', token: () => token });
    const errors: string[] = [];
    void (async () => {
      for await (const status of nc.status()) {
        errors.push(status.type === 'error' ? status.error.name : status.type);
      }
    })();
    await until(() => errors.includes('UserAuthenticationExpiredError'), 2 * SESSION_S * 1000);
    await until(() => nc.isClosed()); // the same token again is of no use
    expect(refusals('token_expired')).toBeGreaterThan(0);
  });
});

describe('revoking', () => {
  it('an agent: its connection, its instances, its tasks; others go on', async () => {
    const evil = await mesh.connect('evil');
    const twin = await mesh.connect('twin');
    const me = await mesh.connect('me');
    let began = 0;
    const hang = (): Promise<never> => {
      began++;
      return new Promise(() => undefined);
    };
    await evil.serveAll([
      { name: 'risky.once', options: {}, handler: hang },
      { name: 'risky.again', options: { idempotent: true }, handler: hang },
      { name: 'risky.back', options: {}, handler: () => ({ back: true }) },
    ]);
    const once = me.call('risky.once', {}, { timeoutMs: 20_000 }).then(() => 'completed', codeOf);
    const again = me.call<{ by: string }>('risky.again', {}, { timeoutMs: 20_000 });
    await until(() => began === 2);
    await twin.serve('risky.again', { idempotent: true }, () => ({ by: 'twin' }));
    const bystander = await mesh.connect('other');
    await twin.serve('calm.add', () => ({ fine: true }));
    const control = await mesh.broker('control');
    const isThere = async (): Promise<boolean> => {
      const ask = JSON.stringify({ auth: true });
      const reply = await control.request('$SYS.REQ.ACCOUNT.PING.CONNZ', ask, { timeout: 1_000 });
      const { data } = reply.json<{ data: { connections: { authorized_user: string }[] } }>();
      return data.connections.some((one) => one.authorized_user === 'evil');
    };
    expect(await isThere()).toBe(true);

    const startMs = performance.now();
    const revoked = await admin('revoke', { agent: 'evil' });
    expect(revoked).toMatchObject({ name: 'evil', revoked: true, kicked: 1 });
    expect(await isThere()).toBe(false);
    expect(performance.now() - startMs).toBeLessThan(1_000);

    expect(await bystander.call('calm.add')).toEqual({ fine: true });
    expect(await again).toEqual({ by: 'twin' });
    expect(await once).toBe('attempt_lost'); // it may have run: unknown, and not run twice
    await expect(mesh.broker('evil')).rejects.toThrow('permission_denied');
    expect(refusals('revoked')).toBeGreaterThan(0);
    const reply = await mesh.operator.request('mesh.v1.view.operator.agents', '{}', { timeout: 5_000 });
    expect(JSON.stringify(reply.json())).not.toContain('"evil"');
    await until(() => lines.some((line) => line['code'] === 'revoked'));
    expect(await isThere()).toBe(false);

    expect(await admin('reinstate', { agent: 'evil' })).toMatchObject({ revoked: false });
    await (await mesh.broker('evil')).close();
    // The program that was cut off comes back by itself, and serves again.
    const back = (): Promise<boolean> =>
      me.call('risky.back', {}, { timeoutMs: 500 }).then(
        () => true,
        () => false,
      );
    expect(await until(back, 20_000)).toBe(true);
    await evil.close(0);
  });

  it('a caller: nothing of it is accepted a second later', async () => {
    const other = await mesh.broker('other');
    const twin = await mesh.connect('twin');
    await twin.serve('calm.count', () => ({ ok: true }));
    let last = 0;
    let accepted = 0;
    const stop = setInterval(() => {
      const id = newCallId();
      void import('@nats-io/transport-node').then(({ headers }) => {
        const head = headers();
        head.set('Mesh-Call', id);
        other
          .request('mesh.v1.call.other.calm.count', '{}', { headers: head, timeout: 500 })
          .then(() => ((last = performance.now()), accepted++))
          .catch(() => undefined);
      });
    }, 5);
    await until(() => accepted > 20);
    const revokedMs = performance.now();
    await admin('revoke', { agent: 'other' });
    await until(() => other.isClosed(), 5_000);
    clearInterval(stop);
    expect(last - revokedMs).toBeLessThan(1_000);
    await expect(mesh.broker('other')).rejects.toThrow('permission_denied');
    await admin('reinstate', { agent: 'other' });
  });

  it('a name that has a token, not a key', async () => {
    const asker: Mesh = await connect({ url: mesh.url, name: 'asker', token: () => oidc.token('asker') });
    expect(await admin('revoke', { agent: 'asker' })).toMatchObject({ kicked: 1 });
    await expect(connect({ url: mesh.url, name: 'asker', token: () => oidc.token('asker') })).rejects.toThrow(
      'permission_denied',
    );
    await admin('reinstate', { agent: 'asker' });
    await (await connect({ url: mesh.url, name: 'asker', token: () => oidc.token('asker') })).close();
    await asker.close(0);
  });

  it('what is nobody, or a part of the mesh, is told', async () => {
    expect((await admin('revoke', { agent: 'gateway' }))['code']).toBe('name_invalid');
    expect((await admin('revoke', { agent: 'identity' }))['code']).toBe('name_taken');
    expect((await admin('reinstate', { agent: 'me' }))['code']).toBe('not_found');
  });
});

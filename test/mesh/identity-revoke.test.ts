/**
 * How fast names that were enrolled are put out under load. IDENTITY_REVOCATIONS says how many; `npm run test:revoke`
 * does two hundred. And what identity and grants have to do with each other.
 */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { connect, type Mesh } from '../../src/agent/index.js';
import { Operator } from '../../src/cli/operator.js';
import { RevokedNames } from '../../src/domain/revoked.js';
import { readIssuer } from '../../src/fabric/issuer.js';
import { createUserKey, privateKeyOf, publicKeyOf } from '../../src/fabric/keys.js';
import { runGateway } from '../../src/gateway/run.js';
import type { MeshError } from '../../src/wire/errors.js';
import { claimsFor, signRaw } from '../support/grants.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';
import { breaches, enrolled, putOutMany, revocationPolicy, summary } from '../support/revocations.js';

const REVOCATIONS = Number(process.env['IDENTITY_REVOCATIONS'] ?? 4);
const LONG = 600_000;

let mesh: TestMesh;
let operator: Operator;

beforeAll(async () => {
  mesh = await startTestMesh({
    users: { boss: 'caller', stock: 'agent', twin: 'agent' },
    policy: revocationPolicy(REVOCATIONS + 1),
    identity: { processes: 2 },
    gateways: 2,
  });
  operator = await Operator.open({ data: mesh.dir, url: mesh.url });
});
afterAll(async () => {
  await operator.close();
  await mesh.stop();
});

test(`${REVOCATIONS} names are put out under load, and nobody else feels it`, { timeout: LONG }, async () => {
  const report = await putOutMany(mesh, REVOCATIONS);
  console.log(summary(report));
  expect(breaches(report)).toEqual([]);
});

test('the harness sees gateways that do not hear who was put out', { timeout: LONG }, async () => {
  const deaf = vi.spyOn(RevokedNames.prototype, 'put').mockImplementation(() => undefined);
  try {
    const report = await putOutMany(mesh, 1, { first: REVOCATIONS, waitMs: 1_500 });
    expect(breaches(report)).toContain(`the tasks of r${REVOCATIONS} ended as nothing`);
  } finally {
    deaf.mockRestore();
  }
});

describe('a key that was enrolled', () => {
  let stock: Mesh;
  let running = 0;

  beforeAll(async () => {
    stock = await mesh.connect('stock', { concurrency: 64 });
    await stock.serveAll([
      { name: 'stock.read', options: { readOnly: true }, handler: () => 'read' },
      {
        name: 'stock.slow',
        options: { readOnly: true },
        handler: (_, ctx) =>
          new Promise((_resolve, reject) => {
            running++;
            ctx.signal.addEventListener('abort', () => (running--, reject(new Error('stopped'))));
          }),
      },
    ]);
  });

  const grantFor = (name: string, publicKey: string): string => {
    const seed = readIssuer(mesh.dir)?.seed ?? '';
    const signer = {
      name: 'mesh',
      publicKey: publicKeyOf(seed, 'issuer'),
      key: privateKeyOf(seed, 'issuer'),
    };
    return signRaw(signer, claimsFor({ name, publicKey }, { iss: 'mesh' }));
  };
  const ended = (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => 'completed',
      (err: MeshError) => err.code,
    );
  const comes = (name: string, seed: string): Promise<Mesh> =>
    connect({ url: mesh.url, creds: { name, seed } });

  test('holds grants, until its name has another one', { timeout: LONG }, async () => {
    const old = await enrolled(mesh.url, operator, 'holder');
    const holder = await comes('holder', old.seed);
    const grant = grantFor('holder', old.publicKey);
    await until(async () => (await ended(holder.call('stock.read', {}, { grant }))) === 'completed');
    expect(await ended(holder.call('stock.read'))).toBe('root_denied');
    const works = [1, 2].map(() => ended(holder.call('stock.slow', {}, { grant, timeoutMs: 30_000 })));
    await until(() => running === 2);
    await operator
      .command('member', { agent: 'holder' })
      .then((member) => expect(member).toMatchObject({ key: old.publicKey, role: 'agent', revoked: false }));
    const madeMs = Date.now();
    await until(() => Date.now() - madeMs > 2_000); // grants are dated in seconds
    const fresh = await enrolled(mesh.url, operator, 'holder');
    expect(await Promise.all(works)).toEqual(['grant_revoked', 'grant_revoked']);
    await until(() => running === 0);
    expect(await ended(holder.call('stock.read', {}, { grant }))).toBe('grant_holder');
    const again = await comes('holder', fresh.seed);
    const next = grantFor('holder', fresh.publicKey);
    await until(async () => (await ended(again.call('stock.read', {}, { grant: next }))) === 'completed');
    await Promise.all([holder.close(0), again.close()]);
  });

  test('can be revoked alone: what it began falls, and the name may have another one', async () => {
    const { seed, publicKey } = await enrolled(mesh.url, operator, 'worker');
    const first = await comes('worker', seed);
    const work = first.call('stock.slow', {}, { timeoutMs: 30_000 }).catch(() => undefined);
    await until(() => running === 1);
    const { publicKey: foreign } = createUserKey();
    const wrong = operator.command('revoke', { agent: 'worker', key: foreign });
    await expect(wrong).rejects.toMatchObject({ code: 'not_found' });
    expect(await operator.command('revoke', { agent: 'worker', key: publicKey })).toMatchObject({
      kicked: 1,
    });
    await until(() => running === 0);
    await expect(comes('worker', seed)).rejects.toThrow('permission_denied');
    await expect(
      operator.command('register', { agent: 'worker', role: 'agent', user: publicKey }),
    ).rejects.toMatchObject({ code: 'revoked' });
    const other = await enrolled(mesh.url, operator, 'worker');
    const second = await comes('worker', other.seed);
    expect(await second.call('stock.read')).toBe('read');
    // A gateway that starts now knows what was before, and lets the new key work.
    mesh.gateways.push(await runGateway({ ...mesh.as('gateway'), sight: {} }));
    expect(await second.call('stock.read')).toBe('read');
    await Promise.all([first.close(0), second.close(), work]);
  });
});

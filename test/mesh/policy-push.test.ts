/**
 * The policy reaches gateways through its bucket: pushed, from the file, often, and while the bucket is away.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Mesh } from '../../src/agent/index.js';
import { runControl } from '../../src/control/run.js';
import { compilePolicy } from '../../src/domain/policy.js';
import { tail } from '../../src/fabric/reader.js';
import { startServer } from '../../src/fabric/server.js';
import type { DecisionRecord } from '../../src/wire/generated/messages.js';
import { header } from '../../src/wire/headers.js';
import { pace, startTestMesh, until, type TestMesh } from '../support/mesh.js';
import { ask } from '../support/views.js';

/** Every version says of itself in each decision which one it is. */
const policyOf = (version: string): string => `version: 1
roles: { all: { call: ['>'], serve: ['>'], mayRoot: true } }
members: { me: [all], worker: [all] }
rules:
  - { name: says, effect: allow, obligations: { version: '${version}' } }
`;
const digestOf = (text: string): string => compilePolicy(text, 'p').digest;

interface Pushed {
  readonly digest: string;
  readonly before: string;
  readonly code: string;
}

let mesh: TestMesh;
let me: Mesh;
const decisions = new Map<string, DecisionRecord>();
const stops: (() => Promise<void> | void)[] = [];

beforeAll(async () => {
  const users = { me: 'caller', worker: 'agent' } as const;
  mesh = await startTestMesh({ users, policy: policyOf('file'), gateways: 2 });
  const stop = await tail(mesh.operator, 'DECISIONS', (m) => {
    const one = JSON.parse(m.headers.get(header.record) ?? '{}') as DecisionRecord;
    decisions.set(one.call, one);
  });
  stops.push(stop);
  me = await mesh.connect('me');
  const worker = await mesh.connect('worker', { concurrency: 1_000 });
  await worker.serve('work.do', () => ({}));
  await me.call('work.do', {});
});
afterAll(async () => {
  await mesh.stop();
  for (const stop of stops) {
    await stop();
  }
});

const push = (policy: string) => ask<Pushed>(mesh.operator, 'admin.operator.policy', { policy });
const versionNow = async (): Promise<string | undefined> => {
  const call = await me.send('work.do', {});
  await me.wait(call);
  return (await until(() => decisions.get(call))).obligations?.['says.version'];
};

test('a push is in force at once, and one that is broken changes nothing', async () => {
  const pushed = await push(policyOf('pushed'));
  expect(pushed).toMatchObject({ digest: digestOf(policyOf('pushed')), before: digestOf(policyOf('file')) });
  await until(async () => (await versionNow()) === 'pushed');
  const broken = await push(policyOf('x').replace('effect: allow', 'effect: allow, when: nobody'));
  expect(broken.code).toBe('config_invalid');
  expect((await push('version: 2')).code).toBe('config_invalid');
  await until(async () => (await versionNow()) === 'pushed');
});

test('a push outlives control; another file replaces it', async () => {
  await push(policyOf('pushed again'));
  await mesh.control.stop();
  mesh.control = await runControl(mesh.as('control'));
  await until(async () => (await versionNow()) === 'pushed again');
  writeFileSync(mesh.policyFile, policyOf('edited'));
  await until(async () => (await versionNow()) === 'edited');
  rmSync(mesh.policyFile);
  writeFileSync(mesh.policyFile, 'version: [');
  expect(await versionNow()).toBe('edited');
});

test('nobody but an operator pushes, and nobody but control writes the bucket', async () => {
  const caller = await mesh.broker('me');
  const gateway = await mesh.broker('gateway');
  for (const [nc, to] of [
    [caller, 'mesh.v1.admin.me.policy'],
    [caller, 'mesh.v1.admin.operator.policy'],
    [caller, '$KV.mesh_policy.live'],
    [gateway, '$KV.mesh_policy.live'],
  ] as const) {
    const body = JSON.stringify({ policy: policyOf('stolen'), text: policyOf('stolen'), digest: 'x' });
    await expect(nc.request(to, body, { timeout: 1_000 })).rejects.toThrow(/permission/i);
  }
  expect(await versionNow()).toBe('edited');
});

test('reload at 10 Hz during calls: each decision names exactly one version, and none is lost', async () => {
  const calls = Number(process.env['POLICY_CALLS'] ?? 1_500);
  const texts = new Map<string, string>(['file', 'edited'].map((v) => [digestOf(policyOf(v)), v]));
  let over = false;
  const storm = (async () => {
    for (let i = 0; !over; i++) {
      texts.set(digestOf(policyOf(`v${i}`)), `v${i}`);
      await push(policyOf(`v${i}`));
      await pace(100);
    }
  })();
  const ids: string[] = [];
  const lane = async (): Promise<number> => {
    let completed = 0;
    while (ids.length < calls) {
      const call = await me.send('work.do', { n: ids.length });
      ids.push(call);
      await me.wait(call).then(() => completed++);
      await pace(20); // over some seconds, so that many versions come by
    }
    return completed;
  };
  const completed = (await Promise.all(Array.from({ length: 16 }, lane))).reduce((a, b) => a + b, 0);
  over = true;
  await storm;
  expect(completed).toBe(ids.length);
  const records = await until(() => {
    const found = ids.flatMap((id) => decisions.get(id) ?? []);
    return found.length === ids.length && found;
  });
  const mixed = records.filter((r) => texts.get(r.policy ?? '') !== r.obligations?.['says.version']);
  const versions = new Set(records.map((r) => r.policy)).size;
  console.log(`${ids.length} calls, ${completed} completed, ${versions} versions, ${mixed.length} mixed`);
  expect(mixed).toEqual([]);
  expect(versions).toBeGreaterThan(5);
});

test('a storm of pushes is harmless: the newest is in force in the end', async () => {
  const began = performance.now();
  await Promise.all(Array.from({ length: 50 }, (_, i) => push(policyOf(`storm ${i}`))));
  await push(policyOf('calm'));
  await until(async () => (await versionNow()) === 'calm');
  expect(performance.now() - began).toBeLessThan(5_000);
});

test('the server goes away and comes back: the last policy stays, the next one comes', async () => {
  const { dir } = mesh;
  const { port } = mesh.server;
  await mesh.server.stop();
  const again = await startServer({ dir, port });
  stops.push(() => again.stop());
  await until(
    () =>
      versionNow()
        .then((version) => version === 'calm')
        .catch(() => false),
    20_000,
  );
  await until(() =>
    push(policyOf('after'))
      .then(({ digest }) => digest !== undefined)
      .catch(() => false),
  );
  expect(await until(async () => (await versionNow()) === 'after')).toBe(true);
});

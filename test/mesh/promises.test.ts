/**
 * The promises that need a real server to be broken: records before acts, honest refusals, deadlines, no policy.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Mesh, MeshError } from '../../src/agent/index.js';
import { runControl } from '../../src/control/run.js';
import { runGateway } from '../../src/gateway/run.js';
import { openPolicy, pace, startTestMesh, until, type TestMesh } from '../support/mesh.js';

let mesh: TestMesh;
let caller: Mesh;
let agent: Mesh;
let effects: number;
const users = { alice: 'caller', worker: 'agent' } as const;

beforeEach(async () => {
  effects = 0;
  mesh = await startTestMesh({ users });
  caller = await mesh.connect('alice');
  agent = await mesh.connect('worker', { concurrency: 8 });
  await agent.serve('work.do', () => ({ effects: ++effects }));
  await caller.call('work.do', {});
  effects = 0;
});
afterEach(() => mesh.stop());

const toldOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'completed',
    (err: MeshError) => `${err.status ?? 'local'} ${err.code} ${err.retry}`,
  );

/** Change the limits of a stream, as an operator could by mistake. */
async function limit(stream: string, change: object): Promise<void> {
  const info = await mesh.operator.request(`$JS.API.STREAM.INFO.${stream}`);
  const { config } = info.json<{ config: object }>();
  const reply = await mesh.operator.request(
    `$JS.API.STREAM.UPDATE.${stream}`,
    JSON.stringify({ ...config, ...change }),
  );
  expect(reply.json<{ error?: object }>().error).toBeUndefined();
}

describe('no act without a record (D4)', () => {
  test(
    'while no decision can be stored nothing is dispatched, and nothing is lost',
    { timeout: 60_000 },
    async () => {
      await limit('DECISIONS', { max_msgs: 1 });
      const pending = caller.call('work.do', {}, { timeoutMs: 30_000 });
      const alice = await mesh.broker('alice');
      const began = performance.now();
      const refused = await alice.request('mesh.v1.ask.alice.work.do', '{}', { timeout: 5_000 });
      expect(refused.headers?.get('Nats-Service-Error-Code')).toBe('storage_full');
      expect(refused.json<{ retry: string }>().retry).toBe('later');
      expect(performance.now() - began).toBeLessThan(2_000);
      expect(effects).toBe(0);
      await limit('DECISIONS', { max_msgs: -1 });
      expect(await pending).toEqual({ effects: 1 });
    },
  );

  test(
    'while no outcome can be stored no result is told, and the agent keeps it',
    { timeout: 60_000 },
    async () => {
      await limit('OUTCOMES', { max_msgs: 1 });
      let told = false;
      const pending = caller.call('work.do', {}, { timeoutMs: 30_000 }).finally(() => (told = true));
      await until(() => effects === 1);
      // A second call goes the same way and waits as well: nobody is told what is not stored.
      const second = caller.call('work.do', {}, { timeoutMs: 30_000 }).finally(() => (told = true));
      await until(() => effects === 2);
      expect(told).toBe(false);
      await limit('OUTCOMES', { max_msgs: -1 });
      expect(await Promise.all([pending, second])).toEqual([{ effects: 1 }, { effects: 2 }]);
    },
  );
});

describe('honest availability (D11)', () => {
  test('a stream that is nearly full refuses new calls, typed and fast', { timeout: 60_000 }, async () => {
    const info = await mesh.operator.request('$JS.API.STREAM.INFO.DECISIONS');
    const { state } = info.json<{ state: { bytes: number } }>();
    await limit('DECISIONS', { max_bytes: state.bytes + 75_000 });
    const filler = 'x'.repeat(64_000);
    await toldOf(caller.call('work.do', { filler }));
    const told = await until(
      async () => {
        const began = performance.now();
        const answer = await toldOf(caller.call('work.nothing', {}));
        return answer.includes('overloaded') ? { answer, ms: performance.now() - began } : undefined;
      },
      10_000,
      300,
    );
    expect(told.answer).toBe('refused overloaded later');
    expect(told.ms).toBeLessThan(2_000);
  });

  test(
    'without a server a call is given back as unavailable within two seconds',
    { timeout: 60_000 },
    async () => {
      mesh.server.kill();
      const began = performance.now();
      expect(await toldOf(caller.call('work.do', {}))).toBe('local unavailable same_id');
      expect(performance.now() - began).toBeLessThan(2_200);
    },
  );
});

describe('deadlines (D6)', () => {
  test('nothing starts after its deadline, however long it had to wait', { timeout: 60_000 }, async () => {
    const late: number[] = [];
    let starts = 0;
    const slow = await mesh.connect('worker', { concurrency: 1 });
    await slow.serve('slow.work', async (_: unknown, ctx) => {
      starts++;
      if (Date.now() > ctx.deadline) {
        late.push(Date.now() - ctx.deadline);
      }
      await pace(120);
      return {};
    });
    const calls = Array.from({ length: 40 }, () =>
      toldOf(caller.call('slow.work', {}, { timeoutMs: 1_500 })),
    );
    const told = await Promise.all(calls);
    expect(late).toEqual([]);
    expect(told.filter((t) => t === 'completed').length).toBeGreaterThan(3);
    expect(told.filter((t) => t.startsWith('expired')).length).toBeGreaterThan(3);
    expect(told.filter((t) => t !== 'completed' && !t.startsWith('expired'))).toEqual([]);
    expect(starts).toBe(told.filter((t) => t === 'completed').length);
  });
});

describe('no policy, no work (D10)', () => {
  test('control does not start without a policy, or with a broken one', async () => {
    const broken = join(mesh.dir, 'broken.yaml');
    writeFileSync(broken, 'version: 1\nroles: [');
    const start = (policyFile: string) => runControl({ ...mesh.as('control'), policyFile });
    await expect(start(join(mesh.dir, 'none.yaml'))).rejects.toMatchObject({ code: 'config_missing' });
    await expect(start(broken)).rejects.toMatchObject({ code: 'config_invalid' });
  });

  test('a gateway does not start without a policy, or with a broken one; those that run keep theirs', async () => {
    const control = await mesh.broker('control');
    const write = async (stored: object): Promise<void> => {
      const more = { digest: 'broken', followed: '', at: 0 };
      control.publish('$KV.mesh_policy.live', JSON.stringify({ ...stored, ...more }));
      await control.flush();
    };
    await write({ v: 1, text: 'version: 1' }); // as an older control wrote it
    await expect(runGateway(mesh.as('gateway'))).rejects.toMatchObject({ code: 'config_missing' });
    const unclear = { name: 'odd', effect: 'deny', reason: 'none', when: 'nobody.knows(' };
    await write({ v: 2, data: { rules: [unclear] } });
    await expect(runGateway(mesh.as('gateway'))).rejects.toMatchObject({ code: 'config_invalid' });
    await mesh.operator.request('$JS.API.STREAM.PURGE.KV_mesh_policy');
    await expect(runGateway(mesh.as('gateway'))).rejects.toMatchObject({ code: 'config_missing' });
    expect(await toldOf(caller.call('work.do', {}))).toBe('completed');
  });

  test(
    'a new policy rules from then on; a broken or missing one changes nothing',
    { timeout: 30_000 },
    async () => {
      writeFileSync(mesh.policyFile, openPolicy(users).replace("call: ['>']", "call: ['other.>']"));
      expect(
        await until(async () =>
          (await toldOf(caller.call('work.do', {}))) === 'refused not_granted never' ? true : undefined,
        ),
      ).toBe(true);
      writeFileSync(mesh.policyFile, openPolicy(users));
      await until(async () => (await toldOf(caller.call('work.do', {}))) === 'completed');
      writeFileSync(mesh.policyFile, 'nonsense: [');
      expect(await toldOf(caller.call('work.do', {}))).toBe('completed');
      rmSync(mesh.policyFile);
      expect(await toldOf(caller.call('work.do', {}))).toBe('completed');
    },
  );

  test('an agent may serve only what its role lists', async () => {
    writeFileSync(mesh.policyFile, openPolicy(users).replace("serve: ['>']", "serve: ['work.>']"));
    await until(async () => {
      const probe = await mesh.connect('worker'); // anew each time: what was taken once stays in its card
      const told = await toldOf(probe.serve('other.work', () => ({})));
      await probe.close(0);
      return told === 'local not_certified never';
    });
    expect(await toldOf(agent.serve('work.more', () => ({})))).toBe('completed');
    writeFileSync(mesh.policyFile, openPolicy(users));
    const told = await toldOf(agent.serve('other.work', () => ({})));
    expect(told, 'a role that was given a moment ago').toBe('completed');
  });
});

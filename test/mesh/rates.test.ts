/**
 * Limits in a running mesh: what is refused, with which word, and when to come again; over two gateways; and what
 * waits instead.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CallOptions, Mesh, MeshError, TaskContext } from '../../src/agent/index.js';
import { runGateway } from '../../src/gateway/run.js';
import { scan } from '../../src/fabric/reader.js';
import type { DecisionRecord } from '../../src/wire/generated/messages.js';
import { beyond } from '../support/rate-model.js';
import { pace, startTestMesh, until, type TestMesh } from '../support/mesh.js';

const LOAD_MS = Number(process.env['RATES_MS'] ?? 3_000);
const PER_SECOND = 40;
const BURST = 10;
const TIMES = 22;
const MUTE_PER_SECOND = 10;
let mesh: TestMesh;
let me: Mesh;
let other: Mesh;
const held: (() => void)[] = [];

beforeAll(async () => {
  mesh = await startTestMesh({
    gateways: 2,
    users: {
      me: 'caller',
      other: 'caller',
      fast: 'caller',
      worker: 'agent',
      slow: 'agent',
      bulk: 'agent',
      mute: 'agent',
    },
    policy: {
      version: 1,
      roles: {
        user: { call: ['work.>'], mayRoot: true },
        worker: { serve: ['work.>'], call: ['work.>'] },
      },
      members: {
        me: ['user'],
        other: ['user'],
        fast: ['user'],
        worker: ['worker'],
        slow: ['worker'],
        bulk: ['worker'],
        mute: ['worker'],
      },
      rates: {
        fast: { each: 'caller', who: ['fast'], rate: `${PER_SECOND}/s`, burst: BURST },
        few: { each: 'caller', capability: ['work.few'], rate: '30/min', burst: 2 },
        open: { each: 'caller', capability: ['work.hold'], concurrency: 3 },
        narrow: { each: 'tree', capability: ['work.child'], fanOut: 5, depth: 2 },
        tree: { each: 'tree', capability: ['work.leaf'], calls: 4 },
        lazy: { each: 'agent', who: ['slow'], concurrency: 1 },
        mute: { each: 'agent', who: ['mute'], rate: `${MUTE_PER_SECOND}/s`, burst: 2 },
      },
    },
  });
  [me, other] = await Promise.all([mesh.connect('me'), mesh.connect('other')]);
  const worker = await mesh.connect('worker', { concurrency: 512 });
  const many = async (n: number, what: string, ctx: TaskContext) => {
    const ends = await Promise.allSettled(Array.from({ length: n }, () => ctx.call(what, { n: 0 })));
    return ends.map((end) => (end.status === 'fulfilled' ? 'completed' : (end.reason as MeshError).code));
  };
  await worker.serveAll([
    { name: 'work.do', options: {}, handler: () => ({}) },
    { name: 'work.few', options: {}, handler: () => ({}) },
    { name: 'work.hold', options: {}, handler: () => new Promise((resolve) => held.push(() => resolve({}))) },
    {
      name: 'work.fan',
      options: {},
      handler: ({ n }: { n: number }, ctx) => many(n, 'work.child', ctx),
    },
    {
      name: 'work.grow',
      options: {},
      handler: ({ n }: { n: number }, ctx) => many(n, 'work.leaf', ctx),
    },
    { name: 'work.deep', options: {}, handler: (_: unknown, ctx) => ctx.call('work.fan', { n: 1 }) },
    { name: 'work.child', options: {}, handler: () => ({}) },
    { name: 'work.leaf', options: {}, handler: () => ({}) },
    { name: 'work.shared', options: {}, handler: () => 'worker' },
  ]);
  const slow = await mesh.connect('slow', { concurrency: 16 });
  await slow.serve('work.shared', {}, () => new Promise((resolve) => held.push(() => resolve('slow'))));
});
afterAll(() => mesh.stop());

interface End {
  readonly code: string;
  readonly retryAfterMs: number | undefined;
}

function end(work: Promise<unknown>): Promise<End> {
  return work.then(
    () => ({ code: 'completed', retryAfterMs: undefined }),
    ({ code, retryAfterMs }: MeshError) => ({ code, retryAfterMs }),
  );
}

async function ends(caller: Mesh, what: string, n: number, options: CallOptions = {}): Promise<string[]> {
  const all = await Promise.all(Array.from({ length: n }, () => end(caller.call(what, { n: 0 }, options))));
  return all.map(({ code }) => code);
}

const count = (list: readonly string[], code: string) => list.filter((one) => one === code).length;

describe('a rate over two gateways', () => {
  test(
    'twenty times as many calls: never more than the limit in any window, and nearly all of it',
    { timeout: 60_000 },
    async () => {
      const fast = await mesh.connect('fast');
      const admitted: number[] = [];
      const worker = await mesh.connect('bulk', { concurrency: 512 });
      await worker.serve('work.timed', {}, () => ({}));
      const waits: number[] = [];
      const began = Date.now();
      const calls: Promise<void>[] = [];
      const offer = async () => {
        const { code, retryAfterMs } = await end(fast.call('work.timed', {}));
        if (code === 'rate_exceeded') {
          waits.push(retryAfterMs ?? 0);
        }
      };
      const due = (ms: number) => (Math.min(ms, LOAD_MS) / 1_000) * TIMES * PER_SECOND;
      while (calls.length < due(LOAD_MS)) {
        while (calls.length < due(Date.now() - began)) {
          calls.push(offer()); // however long those before take
        }
        await pace(5);
      }
      await Promise.all(calls);
      const n = calls.length;
      // When each was let in stands in its decision.
      await scan(mesh.operator, 'DECISIONS', { headersOnly: true }, ({ headers }) => {
        const { verdict, from, at } = JSON.parse(headers.get('Mesh-Record') ?? '{}') as DecisionRecord;
        if (from === 'fast' && verdict === 'allow') {
          admitted.push(at);
        }
        return undefined;
      });
      admitted.sort((a, b) => a - b);
      console.log(
        `${n} calls, ${admitted.length} let in, limit ${(PER_SECOND * LOAD_MS) / 1_000} and a burst of ${BURST}`,
      );
      expect(
        beyond(
          admitted.map((at) => at - began),
          BURST,
          PER_SECOND / 1_000,
        ),
      ).toBeLessThanOrEqual(1);
      expect(n).toBeGreaterThanOrEqual((20 * PER_SECOND * LOAD_MS) / 1_000);
      expect(admitted.length).toBeGreaterThanOrEqual((0.95 * (PER_SECOND * LOAD_MS)) / 1_000);
      expect(waits.length).toBeGreaterThan(0);
      expect(waits.every((ms) => ms > 0)).toBe(true);
    },
  );
});

describe('what is too much', () => {
  test('is refused, and told when there may be room', async () => {
    const seen = await Promise.all(Array.from({ length: 6 }, () => end(me.call('work.few', {}))));
    expect(
      count(
        seen.map(({ code }) => code),
        'completed',
      ),
    ).toBeGreaterThanOrEqual(1); // two, less what the gateway that came last does not know to be unused
    for (const { code, retryAfterMs = 0 } of seen.filter((one) => one.code !== 'completed')) {
      expect(code).toBe('rate_exceeded');
      expect(retryAfterMs).toBeGreaterThan(0);
      expect(retryAfterMs).toBeLessThanOrEqual(4_000);
    }
    expect(await ends(other, 'work.few', 4)).toContain('completed'); // each caller by itself
  });

  test('in flight at once, and there is room again when one has ended', async () => {
    const first = Array.from({ length: 3 }, () => end(me.call('work.hold', {})));
    await until(() => held.length === 3);
    expect((await end(me.call('work.hold', {}))).code).toBe('concurrency_exceeded');
    const batch = end(me.call('work.hold', {}, { priority: 'batch' })); // waits instead
    held.shift()?.();
    await until(() => held.length === 3);
    held.splice(0).forEach((release) => release());
    expect((await Promise.all([...first, batch])).map(({ code }) => code)).toEqual(
      Array(4).fill('completed'),
    );
  });

  test('of one task, of one tree, and above each other', async () => {
    const fan = await me.call<string[]>('work.fan', { n: 9 });
    expect([count(fan, 'completed'), count(fan, 'tree_exceeded')]).toEqual([5, 4]);
    const grow = await me.call<string[]>('work.grow', { n: 6 });
    expect([count(grow, 'completed'), count(grow, 'tree_exceeded')]).toEqual([3, 3]);
    expect(await me.call<string[]>('work.deep', {})).toEqual(['tree_exceeded']);
  });

  test('of one agent goes to another one', async () => {
    const all: Promise<unknown>[] = [];
    await until(() => {
      all.push(me.call('work.shared', {}));
      return held.length === 1;
    });
    const more = await Promise.all(Array.from({ length: 8 }, () => me.call('work.shared', {})));
    expect(more).toEqual(Array(8).fill('worker'));
    expect(held).toHaveLength(1);
    held.splice(0).forEach((release) => release());
    await Promise.all(all);
  });
});

test('further attempts that an agent is given count for it, and hold nobody up', async () => {
  const what = 'work.mute';
  const mute = await mesh.connect('mute', { concurrency: 64 });
  const never = () => new Promise(() => undefined);
  await mute.serve(what, { idempotent: true, attemptMs: 100 }, never);
  const began = Date.now();
  const all = Array.from({ length: 12 }, () => end(me.call(what, {}, { timeoutMs: 2_000 })));
  let over = false;
  const done = Promise.all(all).finally(() => (over = true));
  let slowest = 0;
  while (!over) {
    const from = performance.now();
    expect((await end(other.call('work.do', {}))).code).toBe('completed');
    slowest = Math.max(slowest, performance.now() - from);
    await pace(20);
  }
  await done;
  await mute.close(0);
  const sent: number[] = [];
  await scan(mesh.operator, 'DECISIONS', { headersOnly: true }, ({ headers }) => {
    const { agent, at, capability } = JSON.parse(headers.get('Mesh-Record') ?? '{}') as DecisionRecord;
    if (agent === 'mute' && capability === what) {
      sent.push(at - began);
    }
    return undefined;
  });
  sent.sort((a, b) => a - b);
  console.log(`${sent.length} dispatches, slowest other call ${Math.round(slowest)} ms`);
  expect(sent.length).toBeGreaterThan(12);
  expect(beyond(sent, 2, MUTE_PER_SECOND / 1_000)).toBeLessThanOrEqual(1);
  expect(slowest).toBeLessThan(1_000);
});

/** Three calls in flight, each tried again while it is told to come later. */
async function holdThree(): Promise<Promise<End>[]> {
  const begun = Array.from({ length: 3 }, async () => {
    for (;;) {
      const seen = await end(other.call('work.hold', {}));
      if (seen.code !== 'concurrency_exceeded') {
        return seen;
      }
      await pace(seen.retryAfterMs ?? 0);
    }
  });
  await until(() => held.length === 3);
  return begun;
}

describe('gateways come and go', () => {
  test(
    'what is in flight still counts when its gateway is gone, and the rest of the limit is used by those that stay',
    { timeout: 30_000 },
    async () => {
      const first = await holdThree();
      await mesh.gateways.shift()?.stop(0);
      const [kept] = mesh.gateways;
      expect(kept).toBeDefined();
      await until(
        async () =>
          (await end(other.call('work.hold', {}, { timeoutMs: 300 }))).code === 'concurrency_exceeded',
      );
      mesh.gateways.push(await runGateway(mesh.as('gateway')));
      await until(async () => {
        const { code } = await end(other.call('work.hold', {}, { timeoutMs: 300 }));
        return code === 'concurrency_exceeded';
      });
      held.splice(0).forEach((release) => release());
      expect((await Promise.all(first)).map(({ code }) => code)).toEqual(Array(3).fill('completed'));
      const again = await holdThree();
      held.splice(0).forEach((release) => release());
      expect((await Promise.all(again)).map(({ code }) => code)).toEqual(Array(3).fill('completed'));
    },
  );
});

/**
 * One caller with 256 calls in flight without end, ten who send one call after another, and an agent with too few
 * hands for all of them. FAIR_MS says how long each round takes; with it the times are judged too.
 */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Mesh, MeshError } from '../../src/agent/index.js';
import { Lanes } from '../../src/domain/rate/lanes.js';
import { hog, polite, type Manners } from '../support/crowd.js';
import { startTestMesh, type TestMesh } from '../support/mesh.js';

const LONG = process.env['FAIR_MS'] !== undefined;
const ROUND_MS = Number(process.env['FAIR_MS'] ?? 1_000);
const IN_FLIGHT = 256;
/** At most; no two tasks end together because they began together. */
const WORK_MS = 40;
const work = () => new Promise((resolve) => setTimeout(() => resolve({}), WORK_MS * Math.random()));
const names = Array.from({ length: 10 }, (_, n) => `polite${n}`);
let mesh: TestMesh;
let callers: Mesh[];
let greedy: Mesh;
const saw: (string | undefined)[] = [];

beforeAll(async () => {
  const members = Object.fromEntries(names.map((name) => [name, ['user']]));
  mesh = await startTestMesh({
    users: {
      greedy: 'caller',
      op: 'caller',
      worker: 'agent',
      ...Object.fromEntries(names.map((n) => [n, 'caller'] as const)),
    },
    policy: {
      version: 1,
      roles: {
        user: { call: ['work.>'], mayRoot: true },
        ops: { call: ['work.>'], mayRoot: true },
        worker: { serve: ['work.>'], call: ['work.>'] },
      },
      members: { ...members, greedy: ['user'], op: ['ops'], worker: ['worker'] },
      priorities: { critical: ['ops'] },
    },
  });
  callers = await Promise.all(names.map((name) => mesh.connect(name)));
  greedy = await mesh.connect('greedy');
  const worker = await mesh.connect('worker', { concurrency: 24 });
  await worker.serveAll([
    { name: 'work.do', options: {}, handler: work },
    { name: 'work.parent', options: {}, handler: async (_: unknown, ctx) => ctx.call('work.seen', {}) },
    {
      name: 'work.parent-low',
      options: {},
      handler: async (_: unknown, ctx) => ctx.call('work.seen', {}, { priority: 'batch' }),
    },
    {
      name: 'work.parent-high',
      options: {},
      handler: async (_: unknown, ctx) => ctx.call('work.seen', {}, { priority: 'critical' }),
    },
    { name: 'work.seen', options: {}, handler: (_: unknown, ctx) => void saw.push(ctx.priority) },
  ]);
  const warm = hog(greedy, 'work.do', 64); // what is measured is not the compiler
  await polite(callers, 'work.do', 500);
  await warm.stop();
});
afterAll(() => mesh.stop());

async function crowded(): Promise<Manners> {
  const greedyOne = hog(greedy, 'work.do', IN_FLIGHT);
  const seen = await polite(callers, 'work.do', ROUND_MS, () => greedyOne.done());
  await greedyOne.stop();
  expect(greedyOne.done()).toBeGreaterThan(0);
  return seen;
}

describe('a caller without end', () => {
  test('leaves the others alone', { timeout: 300_000 }, async () => {
    const alone = await polite(callers, 'work.do', ROUND_MS);
    const crowd = await crowded();
    const ms = `p99 alone ${alone.p99.toFixed(1)} ms, in the crowd ${crowd.p99.toFixed(1)} ms`;
    console.log(`${crowd.latenciesMs.length} calls, ${ms}, passed by ${crowd.p99Passed}`);
    expect(crowd.failed / crowd.latenciesMs.length).toBeLessThanOrEqual(0.001);
    // What every machine shows: who comes does not wait for those of the other one that came before.
    expect(crowd.p99Passed).toBeLessThan(IN_FLIGHT / 2);
    // On a machine without other work the time says the same.
    expect(crowd.p99).toBeLessThanOrEqual(LONG ? 2 * alone.p99 : Infinity);
  });

  test('one queue for all, which is what is planted, is seen', { timeout: 300_000 }, async () => {
    const push = Reflect.get(Lanes.prototype, 'push') as (...all: unknown[]) => void;
    const planted = vi.spyOn(Lanes.prototype, 'push').mockImplementation(function (
      this: Lanes<unknown>,
      _,
      __,
      one,
    ) {
      push.call(this, 'normal', 'all', one);
    });
    try {
      expect((await crowded()).p99Passed).toBeGreaterThan(IN_FLIGHT / 2);
    } finally {
      planted.mockRestore();
    }
  });
});

describe('priorities', () => {
  const codeOf = (work: Promise<unknown>) =>
    work.then(
      () => 'completed',
      (err: MeshError) => err.code,
    );

  test('a child has what its parent has, and may say a lower one', async () => {
    const op = await mesh.connect('op');
    const [me] = callers as [Mesh];
    saw.length = 0;
    await op.call('work.parent', {}, { priority: 'critical' });
    await me.call('work.parent', {});
    await me.call('work.parent', {}, { priority: 'batch' });
    await op.call('work.parent-low', {}, { priority: 'critical' });
    expect(saw).toEqual(['critical', 'normal', 'batch', 'batch']);
    expect(await codeOf(op.call('work.parent-high', {}, { priority: 'critical' }))).toBe('completed');
  });

  test('what nobody lets a caller say is refused', async () => {
    const [me] = callers as [Mesh];
    expect(await codeOf(me.call('work.do', {}, { priority: 'critical' }))).toBe('priority_denied');
    expect(await codeOf(me.call('work.parent-high', {}))).toBe('handler_failed');
    const said = { priority: 'urgent' as 'critical' };
    expect(await codeOf(me.call('work.do', {}, said))).toBe('header_invalid');
  });
});

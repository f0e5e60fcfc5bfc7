/**
 * Retries with two gateways: a failure that may pass is tried again at another agent, within deadline, money and a
 * share of the traffic; what may not run twice never is.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { meshError, type Mesh, type MeshError, type TaskContext } from '../../src/agent/index.js';
import type { BudgetPage } from '../../src/control/budgets/pages.js';
import { runGateway } from '../../src/gateway/run.js';
import { limits } from '../../src/wire/limits.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';
import { seeded } from '../support/random.js';
import { ask } from '../support/views.js';

/** Tasks that one agent works on at a time. */
const ROOM = 32;
const SEED = Date.now() % 1e6;

const POLICY = `version: 1
roles:
  caller: { call: ['>'], mayRoot: true }
  worker: { serve: ['>'] }
members:
  me: [caller]
  poor: [caller]
  rich: [caller]
  a: [worker]
  b: [worker]
routing: { '>': round-robin }
retries:
  'storm.>': { backoff: 1, attempts: 5, budget: 20 }
  'all.>': { backoff: 5, attempts: 4, of: any }
  'late.>': { backoff: 4s, backoffMax: 4s }
  'patient.>': { backoff: 2400, backoffMax: 2400 }
  'hedge.>': { hedge: { after: 30ms, share: 100 } }
  'once.>': { hedge: { after: 20ms, share: 100 } }
  'few.>': { hedge: { after: 20ms, share: 10 } }
  'tail.>': { hedge: { share: 100 } }
  '>': { backoff: 20 }
budgets:
  default: { window: month, limit: { micros: 1_000_000 } }
  reserve: { '>': { micros: 100 } }
  limits:
    - { on: principal, who: [poor], window: month, limit: { micros: 250 } }
    - { on: principal, who: [rich], window: month, limit: { micros: 10_000 } }
`;

type Seen = Pick<TaskContext, 'key' | 'attempt'> & { readonly agent: string };

type Does = (ctx: TaskContext) => unknown;

/** An agent that is told how its next tasks end; without word they complete. */
class Worker {
  readonly seen: Seen[] = [];
  readonly #next: Does[] = [];

  async serve(agent: string, sdk: Mesh, what: string, idempotent = true): Promise<void> {
    await sdk.serve(what, { idempotent }, (_, ctx) => {
      this.seen.push({ agent, key: ctx.key, attempt: ctx.attempt });
      ctx.usage({ micros: 30 });
      const next = this.#next.length > 1 ? this.#next.shift() : this.#next[0];
      return next === undefined ? agent : next(ctx);
    });
  }

  /** How they end, one after the other; the last one goes on for ever. */
  will(...next: Does[]): this {
    this.#next.splice(0, Infinity, ...next);
    this.seen.length = 0;
    return this;
  }
}

const done = (): string => 'done';
const transient = (): never => {
  throw meshError('handler_transient', { why: 'a lock is held' });
};
/** Works so long, unless it is told to stop. */
const slow =
  (ms: number): Does =>
  (ctx) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => resolve(`slow ${ms}`), ms);
      ctx.signal.addEventListener('abort', () => {
        clearTimeout(timer);
        stopped.push(ctx.attempt);
        reject(new Error('stopped'));
      });
    });
const permanent = (): never => {
  throw new Error('no such thing');
};

/** Attempts that were told to stop. */
const stopped: number[] = [];

let mesh: TestMesh;
let me: Mesh;
let poor: Mesh;
const workers = new Map<string, Worker>();
const at = (what: string): Worker => workers.get(what) as Worker;
const failureOf = (call: Promise<unknown>): Promise<MeshError> =>
  call.then(
    () => expect.fail('it completed'),
    (err: unknown) => err as MeshError,
  );

/** What this caller has spent. */
async function spentBy(name: string): Promise<number> {
  const pattern = `principal.${name}`;
  const page = await ask<BudgetPage>(mesh.operator, 'view.operator.budgets', { pattern });
  return page.budgets[0]?.spent.micros ?? 0;
}

beforeAll(async () => {
  const users = { me: 'caller', poor: 'caller', rich: 'caller', a: 'agent', b: 'agent' } as const;
  mesh = await startTestMesh({ users, policy: POLICY, gateways: 2 });
  for (const agent of ['a', 'b']) {
    const sdk = await mesh.connect(agent, { concurrency: ROOM });
    for (const word of ['pair', 'storm', 'all', 'late', 'patient', 'one', 'hedge', 'once', 'few', 'tail']) {
      const worker = workers.get(`${word}.work`) ?? new Worker();
      workers.set(`${word}.work`, worker);
      await worker.serve(agent, sdk, `${word}.work`, !word.startsWith('on'));
    }
  }
  me = await mesh.connect('me');
  poor = await mesh.connect('poor');
});
afterAll(() => mesh.stop());

describe('a failure that may pass', () => {
  test('is tried again at another agent, under the same key; the caller sees one outcome', async () => {
    const { seen } = at('pair.work').will(transient, done);
    const { value, call } = await me.call('pair.work').then(async (value) => ({ value, call: seen[0]?.key }));
    expect(value).toBe('done');
    expect(seen.map(({ attempt }) => attempt)).toEqual([1, 2]);
    expect(new Set(seen.map(({ agent }) => agent)).size).toBe(2);
    expect(new Set(seen.map(({ key }) => key)).size).toBe(1);
    const id = call?.split('.')[1] ?? '';
    expect(await me.wait(id)).toMatchObject({ value: 'done' });
  });

  test('ends as the last failure, which says how often it was tried', async () => {
    const { seen } = at('pair.work').will(transient);
    const err = await failureOf(me.call('pair.work'));
    expect(err).toMatchObject({ code: 'handler_transient', status: 'failed', details: { attempts: 3 } });
    expect(seen.length).toBe(3);
  });

  test('is not told, however often its agent says it while the mesh waits', async () => {
    const { seen } = at('patient.work').will(transient, done);
    const began = Date.now();
    expect(await me.call('patient.work')).toBe('done');
    expect(Date.now() - began).toBeGreaterThan(limits.resultRetryMs);
    expect(seen.length).toBe(2);
  });

  test('is the outcome when the deadline leaves no time for more', async () => {
    const { seen } = at('late.work').will(transient);
    const began = Date.now();
    const err = await failureOf(me.call('late.work', null, { timeoutMs: 1_500 }));
    expect(err).toMatchObject({ code: 'handler_transient', status: 'failed' });
    expect(Date.now() - began).toBeLessThan(1_000);
    expect(seen.length).toBe(1);
  });

  test('is the outcome when the call is cancelled meanwhile', async () => {
    const { seen } = at('late.work').will(transient);
    const call = await me.send('late.work', null, { timeoutMs: 20_000 });
    await until(() => seen.length === 1);
    const outcome = failureOf(me.wait(call));
    const asking = setInterval(() => me.cancel(call), 50);
    expect(await outcome).toMatchObject({ code: 'handler_transient', status: 'failed' });
    clearInterval(asking);
    expect(seen.length).toBe(1);
  });

  test('is paid for each time, and the outcome when nobody pays for more', async () => {
    const { seen } = at('pair.work').will(transient);
    const err = await failureOf(poor.call('pair.work'));
    expect(err).toMatchObject({ code: 'handler_transient', status: 'failed', details: { attempts: 2 } });
    expect(seen.length).toBe(2);
    const spent = await until(async () => (await spentBy('poor')) || undefined);
    expect(spent).toBeGreaterThanOrEqual(60);
    expect(spent).toBeLessThanOrEqual(250);
  });
});

describe('what is not tried again', () => {
  test('a failure that stays, unless the policy says any', async () => {
    const { seen } = at('pair.work').will(permanent);
    const err = await failureOf(me.call('pair.work'));
    expect(err).toMatchObject({ code: 'handler_failed', details: { agent: seen[0]?.agent } });
    expect(seen.length).toBe(1);
    const any = at('all.work').will(permanent);
    expect(await failureOf(me.call('all.work'))).toMatchObject({ details: { attempts: 4 } });
    expect(any.seen.length).toBe(4);
  });

  test('a capability that must not run twice (D3)', async () => {
    const { seen } = at('one.work').will(transient);
    for (let i = 0; i < 5; i++) {
      expect(await failureOf(me.call('one.work'))).toMatchObject({ code: 'handler_transient' });
    }
    expect(seen.length).toBe(5);
  });

  test('what exceeds the share of the calls, when everything fails', async () => {
    const { seen } = at('storm.work').will(transient);
    const calls = 150;
    await Promise.all(Array.from({ length: calls }, () => failureOf(me.call('storm.work'))));
    expect(seen.length).toBeGreaterThan(calls + 10);
    expect(seen.length).toBeLessThanOrEqual(calls * 1.2 + 2 * limits.retryBurst);
  });
});

describe('a second agent beside a slow one', () => {
  test('answers first: that is the outcome, the slow one is told to stop, both are paid', async () => {
    const rich = await mesh.connect('rich');
    const { seen } = at('hedge.work').will(slow(10_000), done);
    stopped.length = 0;
    const call = await rich.send('hedge.work');
    const { value, agent } = await rich.wait(call);
    expect([value, agent]).toEqual(['done', seen[1]?.agent]);
    expect(seen.map(({ attempt }) => attempt)).toEqual([1, 2]);
    expect(new Set(seen.map((one) => one.agent)).size).toBe(2);
    expect(new Set(seen.map(({ key }) => key)).size).toBe(1);
    await until(() => stopped.length > 0);
    expect(stopped).toEqual([1]);
    expect(await rich.wait(call)).toMatchObject({ value: 'done', agent });
    expect(await until(async () => (await spentBy('rich')) || undefined)).toBe(130);
  });

  test('is slower: the first one is the outcome after all', async () => {
    const { seen } = at('hedge.work').will(slow(150), slow(10_000));
    stopped.length = 0;
    const { value, agent } = await me.wait(await me.send('hedge.work'));
    expect([value, agent]).toEqual(['slow 150', seen[0]?.agent]);
    await until(() => stopped.length > 0);
    expect([seen.length, stopped]).toEqual([2, [2]]);
  });

  test('fails, or the first one does: the other one counts', async () => {
    at('hedge.work').will(slow(150), transient);
    expect(await me.call('hedge.work')).toBe('slow 150');
    const late = async (ctx: TaskContext): Promise<never> => {
      await slow(80)(ctx);
      return transient();
    };
    at('hedge.work').will(late, slow(160));
    expect(await me.call('hedge.work')).toBe('slow 160');
    const { seen } = at('hedge.work').will(late, late, done);
    expect(await me.call('hedge.work')).toBe('done');
    expect(seen.length).toBe(3);
    at('hedge.work').will(late, late, permanent);
    expect(await failureOf(me.call('hedge.work'))).toMatchObject({
      code: 'handler_failed',
      details: { attempts: 3 },
    });
  });

  test('is stopped with the first one when the caller cancels', async () => {
    const { seen } = at('hedge.work').will(slow(10_000));
    stopped.length = 0;
    const call = await me.send('hedge.work');
    await until(() => seen.length === 2);
    me.cancel(call);
    expect(await failureOf(me.wait(call))).toMatchObject({ status: 'cancelled' });
    await until(() => stopped.length === 2);
  });

  test('never gets what must not run twice, nor more than its share of the calls', async () => {
    const once = at('once.work').will(slow(150));
    await Promise.all(Array.from({ length: 10 }, () => me.call('once.work')));
    expect(once.seen.length).toBe(10);
    const { seen } = at('few.work').will(slow(100));
    await Promise.all(Array.from({ length: 40 }, () => me.call('few.work')));
    expect(seen.length).toBeGreaterThan(40);
    expect(seen.length).toBeLessThanOrEqual(40 * 1.1 + 2 * limits.retryBurst);
  });

  test('gets what takes longer than nearly all did', async () => {
    await until(async () => {
      at('tail.work').will(slow(10)); // both gateways must have seen enough
      await Promise.all(Array.from({ length: 2 * limits.hedgeSamples }, () => me.call('tail.work')));
      at('tail.work').will(slow(1_000), done);
      return (await me.call('tail.work')) === 'done';
    });
    expect(at('tail.work').seen.length).toBe(2);
  });

  test('leaves no slot taken: after a storm of both, agents have all their room', async () => {
    const chance = seeded(SEED);
    const some: Does[] = Array.from({ length: 1_200 }, () => {
      const n = chance();
      return n < 0.3 ? done : n < 0.4 ? transient : n < 0.45 ? permanent : slow(40 + Math.floor(n * 60));
    });
    at('hedge.work').will(...some);
    let completed = 0;
    for (let round = 0; round < 8; round++) {
      const calls = Array.from({ length: 40 }, () => me.call('hedge.work'));
      const ends = await Promise.allSettled(calls);
      completed += ends.filter(({ status }) => status === 'fulfilled').length;
    }
    expect(completed, `seed ${SEED}`).toBeGreaterThan(200);
    const { seen } = at('one.work').will(slow(20_000));
    const room = await Promise.all(Array.from({ length: 2 * ROOM }, () => me.send('one.work')));
    await until(() => seen.length === 2 * ROOM, 4_000);
    room.forEach((call) => me.cancel(call));
    await Promise.all(room.map((call) => failureOf(me.wait(call))));
  });
});

test('a gateway that is killed while it waits loses nothing: another goes on, to one outcome', async () => {
  const alone = await startTestMesh({
    users: { me: 'caller', a: 'agent' },
    policy: POLICY.replace("'>': { backoff: 20 }", "'>': { backoff: 1s }"),
    gateways: 0,
  });
  const env = { ...process.env, NATS_URL: alone.url, MESH_URL: alone.url };
  const args = ['bin/mesh.js', 'gateway', '--data', alone.dir, '--json'];
  const child = spawn(process.execPath, args, { env, stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    await once(child.stdout, 'data');
    const worker = new Worker();
    await worker.serve('a', await alone.connect('a'), 'pair.work');
    const { seen } = worker.will(transient, done);
    const caller = await alone.connect('me');
    const call = await caller.send('pair.work', null, { timeoutMs: 20_000 });
    await until(() => seen.length === 1);
    child.kill('SIGKILL');
    alone.gateways.push(await runGateway(alone.as('gateway')));
    expect((await caller.wait(call)).value).toBe('done');
    expect(seen.map(({ attempt }) => attempt)).toEqual([1, 2]);
  } finally {
    child.kill('SIGKILL');
    await alone.stop();
  }
}, 30_000);

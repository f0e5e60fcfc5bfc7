/**
 * Whoever tries to spend more than there is: agents that use more than was reserved or say any number, trees that fan
 * out over two gateways, calls that are lost, busy, repeated and asked back, and a gateway that leaves.
 */
import { execFile, type ChildProcess } from 'node:child_process';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newCallId, type CallOptions, type Mesh, type TaskContext } from '../../src/agent/index.js';
import type { BudgetPage, BudgetRow, ReconcilePage } from '../../src/control/budgets/pages.js';
import type { NodeRecord } from '../../src/domain/budget/node-record.js';
import type { BudgetEvent } from '../../src/domain/budget/orders.js';
import { scan } from '../../src/fabric/reader.js';
import { kvGet } from '../../src/fabric/streams.js';
import { subject } from '../../src/wire/generated/subjects.js';
import type { DecisionRecord, OutcomeRecord } from '../../src/wire/generated/messages.js';
import { header } from '../../src/wire/headers.js';
import { limits } from '../../src/wire/limits.js';
import type { Capability, Token } from '../../src/wire/names.js';
import { judgeLog } from '../support/budget-judge.js';
import { pace, startTestMesh, until, type TestMesh } from '../support/mesh.js';
import { outcomeIn } from '../support/outcomes.js';
import { built } from '../support/raw-caller.js';
import { ask, codeOf, never } from '../support/views.js';

const RESERVE = 100;
const FINN = 20_000;
const POOL = ['pool-1', 'pool-2', 'pool-3', 'pool-4', 'pool-5', 'pool-6'] as const;
const CALLERS = ['ada', 'bea', 'cleo', 'dora', 'eva', 'finn', 'gus'] as const;
type Name = (typeof CALLERS)[number];

const lines: { readonly node?: string; readonly what?: string; readonly level: string }[] = [];
const hear =
  (level: string) =>
  (facts: object): void =>
    void lines.push({ ...facts, level });
const log = { debug: hear('debug'), info: hear('info'), warn: hear('warn'), error: hear('error') };

let mesh: TestMesh;
let worker: Mesh;
const callers = new Map<string, Mesh>();
/** `mesh budget watch`, from the beginning. */
const watched = { child: undefined as ChildProcess | undefined, out: '', err: '' };

beforeAll(async () => {
  const agents = { worker: 'agent', meter: 'agent', narrow: 'agent', twin: 'agent' } as const;
  mesh = await startTestMesh({
    gateways: 2,
    log,
    users: {
      ...Object.fromEntries(CALLERS.map((name) => [name, 'caller' as const])),
      ...Object.fromEntries(POOL.map((name) => [name, 'agent' as const])),
      ...agents,
    },
    policy: `version: 1
roles:
  everyone: { call: ['>'], mayRoot: true }
  worker: { serve: ['>'], call: ['>'] }
members:
${CALLERS.map((name) => `  ${name}: [everyone]`).join('\n')}
  worker: [worker]
  meter: [worker]
  narrow: [worker]
  twin: [worker]
${POOL.map((name) => `  ${name}: [worker]`).join('\n')}
meters: [meter]
budgets:
  default: { window: month, limit: { micros: 1_000_000 } }
  reserve: { '>': { micros: ${RESERVE} } }
  limits:
    - { on: principal, who: [ada, bea], window: month, limit: { micros: 1_000 } }
    - { on: principal, who: [gus], window: month, limit: { micros: 1_000 }, warn: 50 }
    - { on: principal, who: [eva], window: month, limit: { micros: 10_000 } }
    - { on: agent, who: ['pool-*'], window: month, limit: { micros: 1_000_000 } }
    - { on: principal, who: [finn], window: month, limit: { micros: ${FINN} } }
`,
  });
  const argv = ['budget', 'watch', '--json', '--data', mesh.dir, '--url', mesh.url];
  watched.child = execFile(process.execPath, [resolve('bin/mesh.js'), ...argv]);
  watched.child.stdout?.on('data', (chunk: string) => (watched.out += chunk));
  watched.child.stderr?.on('data', (chunk: string) => (watched.err += chunk));
  worker = await mesh.connect('worker', { concurrency: 512 });
  await worker.serve('work.do', (body: { use: number }, ctx) => ctx.usage({ micros: body.use }));
  await worker.serve('work.slow', async (body: { use: number }, ctx) => {
    await pace(150);
    ctx.usage({ micros: body.use });
  });
  await worker.serve('work.fan', async ({ children }: { children: number }, ctx) => {
    const codes = await Promise.all(
      Array.from({ length: children }, (_, n) => codeOf(ctx.call('work.do', { use: RESERVE, n }))),
    );
    ctx.usage({ micros: RESERVE });
    return codes;
  });
  const meter = await mesh.connect('meter', { concurrency: 64 });
  await meter.serve('meter.do', (body: { use: number }, ctx) => ctx.usage({ micros: body.use }));
  for (const name of CALLERS) {
    callers.set(name, await mesh.connect(name));
  }
}, 60_000);

afterAll(async () => {
  watched.child?.kill('SIGKILL');
  await mesh.stop();
});

const as = (name: Name): Mesh => callers.get(name) as Mesh;
const use = (name: Name, micros: number, what = 'work.do', options: CallOptions = {}): Promise<string> =>
  codeOf(as(name).call(what, { use: micros }, options));
const show = (pattern: string): Promise<BudgetPage> =>
  ask<BudgetPage>(mesh.operator, 'view.operator.budgets', { pattern });
const rowOf = async (name: Name): Promise<BudgetRow | undefined> =>
  (await show(`principal.${name}`)).budgets[0];
const setLimit = (name: Name, micros: number): Promise<object> =>
  ask(mesh.operator, 'admin.operator.budget', { node: `principal.${name}.month`, amounts: { micros } });
const chargeOf = async (name: Name, call: string): Promise<OutcomeRecord['charged']> =>
  (await outcomeIn(mesh.operator, name, call)).charged;

async function nodeOf(name: Name): Promise<NodeRecord> {
  const month = new Date().toISOString().slice(0, 7).replace('-', '');
  const text = await kvGet(mesh.operator, 'mesh_budget', `node.principal.${name}.month.${month}`);
  return JSON.parse(text ?? '{"purses":{}}') as NodeRecord;
}

/** What the mesh decided of the calls of a tree, or of one caller, in its order. */
async function decisions(concerns: (record: DecisionRecord) => boolean): Promise<DecisionRecord[]> {
  const found: DecisionRecord[] = [];
  await scan(mesh.operator, 'DECISIONS', { headersOnly: true }, ({ headers }) => {
    const record = JSON.parse(headers.get(header.record) ?? '{}') as DecisionRecord;
    found.push(...(concerns(record) ? [record] : []));
    return undefined;
  });
  return found;
}

describe('an agent that uses more than was reserved', () => {
  const debts = async (): Promise<number> => {
    const { text } = await mesh.control.sight.metrics();
    const pattern = /^mesh_budget_events_total\{[^}]*on="principal",what="debt"[^}]*\} (\d+)$/m;
    return Number(pattern.exec(text)?.[1] ?? 0);
  };

  test.each([
    ['as it says itself', 'ada', 'work.do', 'reported'],
    ['as a meter says', 'bea', 'meter.do', 'measured'],
  ] as const)('%s, closes the budget and is told, each time', async (_, name, what, by) => {
    for (const [times, debt] of [50, 100].entries()) {
      const before = await debts();
      const { call } = await as(name).callForOutcome(what, { use: RESERVE + 50 });
      expect(await chargeOf(name, call)).toMatchObject({ amounts: { micros: RESERVE + 50 }, by });
      await until(async () => (await rowOf(name))?.closed === true);
      const codes = await until(async () => {
        const all = await Promise.all(Array.from({ length: 8 }, () => use(name, 1, what)));
        return all.every((code) => code === 'budget_closed');
      }, 1_000);
      expect(codes).toBe(true);
      expect(await rowOf(name)).toMatchObject({ debt: { micros: debt }, left: { micros: 0 } });
      const told = () => lines.filter(({ node, level }) => level === 'error' && node?.includes(name));
      await until(() => told().length === times + 1, 2_000);
      expect(await debts()).toBe(before + 1);
      const { events } = await show(`principal.${name}`);
      expect(events.find((one) => one.what === 'debt')).toMatchObject({ debt: { micros: debt } });
      await setLimit(name, 1_000);
      await until(async () => (await use(name, 1, what)) === 'completed', 1_000);
    }
  });

  test('and says any number, closes that budget and nothing else', async () => {
    const most = Number.MAX_SAFE_INTEGER;
    const lift = (): Promise<object> =>
      ask(mesh.operator, 'admin.operator.lift', { node: 'principal.eva.month' });
    for (let times = 0; times < 2; times++) {
      // Together, so that more than one of them is admitted, by both gateways.
      await Promise.all(Array.from({ length: 6 }, () => use('eva', most, 'work.slow')));
      const debt = { micros: 6 * limits.budgetDebt };
      await until(async () => (await rowOf('eva'))?.debt?.micros === debt.micros);
      expect(await use('eva', 1)).toBe('budget_closed');
      expect(await lift()).toMatchObject({ debt });
      await until(async () => (await use('eva', 1)) === 'completed', 1_000);
      expect((await rowOf('eva'))?.debt).toBeUndefined();
    }
    expect(await lift()).toMatchObject({ code: 'not_found' });
    expect(await Promise.all(Array.from({ length: 8 }, () => use('dora', 60)))).toEqual(
      Array.from({ length: 8 }, () => 'completed'),
    );
  });
});

describe('a call is charged once for each attempt that may have run', () => {
  let expected = 8 * 60; // what dora was charged above
  /** It takes its time, so it is begun first. */
  const silent = { id: newCallId(), end: Promise.resolve('') };

  // An instance that is still at it is given the task once; so there are two.
  beforeAll(async () => {
    const idempotent = { idempotent: true, attemptMs: 150 };
    let second = (): void => undefined;
    const began = new Promise<void>((resolve) => (second = resolve));
    const lost = (_: unknown, ctx: TaskContext): unknown =>
      ctx.attempt === 1 ? never() : ctx.usage({ micros: 60 });
    const late = async (_: unknown, ctx: TaskContext): Promise<void> => {
      if (ctx.attempt > 1) {
        second();
        return await never();
      }
      await began;
      return ctx.usage({ micros: 60 });
    };
    await worker.serve('never.ends', never);
    silent.end = codeOf(as('dora').call('never.ends', {}, { id: silent.id, timeoutMs: 1_500 }));
    for (let i = 0; i < 2; i++) {
      const twin = await mesh.connect('twin');
      await twin.serveAll([
        { name: 'lost.first', options: idempotent, handler: lost },
        { name: 'late.first', options: { ...idempotent, attemptMs: 400 }, handler: late },
      ]);
    }
  });

  test.concurrent('one that was lost, and one that answers', async () => {
    const { call } = await as('dora').callForOutcome('lost.first', {});
    expect(await chargeOf('dora', call)).toMatchObject({ amounts: { micros: RESERVE + 60 }, by: 'reported' });
    expect((await chargeOf('dora', call))?.seqs).toHaveLength(2);
    expected += RESERVE + 60;
  });

  test.concurrent('one that answers late, while a further one is under way', async () => {
    const { call } = await as('dora').callForOutcome('late.first', {});
    expect(await chargeOf('dora', call)).toMatchObject({ amounts: { micros: 2 * RESERVE }, by: 'reserved' });
    expected += 2 * RESERVE;
  });

  test.concurrent('a further one only as far as its caller pays', async () => {
    const budget = { micros: RESERVE };
    const once = newCallId();
    expect(await codeOf(as('dora').call('lost.first', {}, { id: once, budget }))).toBe('budget_spent');
    expect(await chargeOf('dora', once)).toMatchObject({ amounts: { micros: RESERVE }, by: 'reserved' });
    const twice = newCallId();
    await as('dora').call('lost.first', {}, { id: twice, budget: { micros: 2 * RESERVE } });
    expect(await chargeOf('dora', twice)).toMatchObject({ amounts: { micros: RESERVE + 60 } });
    expected += 2 * RESERVE + 60;
  });

  test.concurrent('a tree that fans out over two gateways spends its envelope, and not more', async () => {
    const children = 200;
    const limit = RESERVE * (1 + children);
    const budget = { micros: limit };
    const { value, call } = await as('cleo').callForOutcome<string[]>(
      'work.fan',
      { children: 300 },
      { budget },
    );
    const done = value.filter((code) => code === 'completed').length;
    expect(new Set(value)).toEqual(new Set(['completed', 'budget_exceeded']));
    expect(done).toBeLessThanOrEqual(children);
    expect(done).toBeGreaterThanOrEqual(children * 0.95);
    const judge = await judgeLog(mesh.operator);
    expect(judge.of(`tree.cleo.${call}`).most).toBeLessThanOrEqual(limit - RESERVE);
    const inTree = await decisions(({ root, verdict }) => verdict === 'allow' && root === `cleo.${call}`);
    expect(new Set(inTree.map(({ gateway }) => gateway)).size).toBe(2);
    expect(inTree).toHaveLength(done + 1);
  });

  test('those that an agent was too busy for are free', async () => {
    const narrow = await mesh.connect('narrow', { concurrency: 2 });
    await narrow.serve('narrow.do', async (_: unknown, ctx) => {
      await pace(20);
      ctx.usage({ micros: 60 });
    });
    const ends = await Promise.all(
      Array.from({ length: 24 }, () => as('dora').callForOutcome('narrow.do', {})),
    );
    expect(ends.some(({ attempt }) => attempt > 1)).toBe(true); // somebody was told that it is busy
    for (const { call } of ends) {
      const charged = await chargeOf('dora', call);
      expect([charged?.amounts.micros, charged?.seqs.length]).toEqual([60, 1]);
    }
    expected += 24 * 60;
  });

  test('one call that is published again and again', async () => {
    let runs = 0;
    await worker.serve('count.runs', async (_: unknown, ctx) => {
      runs++;
      await pace(50);
      ctx.usage({ micros: 60 });
    });
    const nc = await mesh.broker('dora');
    const id = newCallId();
    const to = subject.call({ from: 'dora' as Token, capability: 'count.runs' as Capability });
    const again = (): void => nc.publish(to, '{}', { headers: built({ [header.call]: id }) });
    Array.from({ length: 8 }, again);
    await outcomeIn(mesh.operator, 'dora', id);
    Array.from({ length: 8 }, again);
    await use('dora', 60); // those before it were looked at
    const allowed = await decisions(({ call, verdict }) => call === id && verdict === 'allow');
    expect([runs, allowed.length]).toEqual([1, 1]);
    expect(await chargeOf('dora', id)).toMatchObject({ amounts: { micros: 60 } });
    expected += 2 * 60;
  });

  test('one that asks back, answered or not', async () => {
    await worker.serve('asks.back', async (_: unknown, ctx) => {
      const answer = await ctx.ask({ really: true });
      ctx.usage({ micros: 60 });
      return answer;
    });
    const onQuestion = async (): Promise<string> => (await pace(100), 'yes');
    const { value, call } = await as('dora').callForOutcome('asks.back', {}, { onQuestion });
    expect(value).toBe('yes');
    expect(await chargeOf('dora', call)).toMatchObject({ amounts: { micros: 60 }, by: 'reported' });
    const id = newCallId();
    expect(await codeOf(as('dora').call('asks.back', {}, { id }))).toBe('handler_failed');
    expect(await chargeOf('dora', id)).toMatchObject({ amounts: { micros: RESERVE }, by: 'reserved' });
    expected += 60 + RESERVE;
  });

  test('one that never answers', async () => {
    expect(await silent.end).not.toBe('completed');
    expect(await chargeOf('dora', silent.id)).toMatchObject({
      amounts: { micros: RESERVE },
      by: 'reserved',
    });
    expected += RESERVE;
  });

  test('and the ledger says the same as the log', async () => {
    await until(async () => (await rowOf('dora'))?.spent.micros === expected, 5_000);
    const judged = (await judgeLog(mesh.operator)).of(`principal.dora.month.${monthNow()}`);
    expect(judged).toMatchObject({ spent: expected, reserved: 0 });
    const { nodes } = await ask<ReconcilePage>(mesh.operator, 'view.operator.reconcile', { all: true });
    expect(nodes.filter(({ agrees, whole }) => !agrees || !whole)).toEqual([]);
    const dora = nodes.find(({ key }) => key.startsWith('principal.dora'));
    expect(dora).toMatchObject({
      ledger: { micros: expected },
      log: { micros: expected },
      open: { micros: 0 },
    });
    expect(nodes.some(({ key }) => key.startsWith('tree.dora'))).toBe(true);
  });
});

test('mesh budget watch tells what happens as it happens, and ends when it is interrupted', async () => {
  const heard = (): { readonly event?: BudgetEvent; readonly budget?: BudgetRow }[] =>
    watched.out
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as { event?: BudgetEvent; budget?: BudgetRow });
  const hear = (what: BudgetEvent['what']): Promise<BudgetEvent> =>
    until(() => heard().find(({ event }) => event?.what === what && event.node.includes('.gus.'))?.event);
  await until(() => heard().length > 0);

  for (let i = 0; i < 5; i++) {
    expect(await use('gus', RESERVE)).toBe('completed');
  }
  await until(async () => (await show('principal.gus')).events.length === 1);
  expect(await use('gus', RESERVE + 50)).toBe('completed');
  expect(await hear('warn')).toMatchObject({ spent: { micros: 500 }, percent: 50 });
  expect(await hear('debt')).toMatchObject({ debt: { micros: 50 } });
  await setLimit('gus', 2_000);
  const node = 'principal.gus.month';
  expect(await ask(mesh.operator, 'admin.operator.lift', { node, why: 'counted wrong' })).toMatchObject({
    debt: { micros: 50 },
  });
  expect(await hear('set')).toMatchObject({ limit: { micros: 2_000 }, by: 'operator' });
  expect(await hear('lift')).toMatchObject({ debt: { micros: 50 }, by: 'operator', why: 'counted wrong' });
  const { budget } = await until(() =>
    heard().find(({ budget: row }) => row?.key.includes('.gus.') === true && row.set !== undefined),
  );
  expect(budget).toMatchObject({ limit: { micros: 2_000 }, spent: { micros: 600 } });
  const order = heard().flatMap(({ event }) => (event?.node.includes('.gus.') === true ? [event.what] : []));
  expect(order).toEqual(['warn', 'debt', 'set', 'lift']);

  const ended = new Promise((done) => watched.child?.once('exit', (code, signal) => done(code ?? signal)));
  watched.child?.kill('SIGINT');
  expect([await ended, watched.err]).toEqual([0, '']);
});

test('a call that waits for the ledger goes to the agent that it was meant for', async () => {
  for (const name of POOL) {
    await (await mesh.connect(name)).serve('pool.do', () => name);
  }
  const asked = new Set<unknown>();
  let drawn = 0;
  for (let calls = 1; calls <= POOL.length; calls++) {
    asked.add(await as('cleo').call('pool.do', {}));
    const { budgets } = await show('agent');
    drawn = budgets.length;
    expect(drawn).toBeLessThanOrEqual(asked.size); // each had its own budget asked about, and no other
  }
  expect(drawn).toBeGreaterThan(1);
});

test('a gateway that leaves gives everything back, and another one can spend it at once', async () => {
  const many = (times: number, what: string): Promise<string[]> =>
    Promise.all(Array.from({ length: times }, () => use('finn', RESERVE, what)));
  await many(20, 'work.do');
  const underWay = many(20, 'work.slow');
  const both = await until(async () => {
    const { purses } = await nodeOf('finn');
    return Object.values(purses).filter(({ a }) => (a.micros ?? 0) > 0).length === 2;
  });
  expect(both).toBe(true);
  const gone = mesh.gateways.shift();
  await gone?.stop();
  const left = Object.entries((await nodeOf('finn')).purses).filter(([id]) =>
    id.startsWith(gone?.gateway ?? ''),
  );
  expect(left.map(([, { a }]) => a.micros ?? 0)).toEqual(left.map(() => 0));
  const codes = [...(await underWay), ...(await many(FINN / RESERVE, 'work.do'))];
  expect(codes.filter((code) => code === 'completed')).toHaveLength(FINN / RESERVE - 20);
  expect(new Set(codes)).toEqual(new Set(['completed', 'budget_exceeded']));
  await until(async () => (await rowOf('finn'))?.spent.micros === FINN, 5_000);
  expect(await rowOf('finn')).toMatchObject({ left: { micros: 0 }, held: { micros: 0 } });
});

function monthNow(): string {
  return new Date().toISOString().slice(0, 7).replace('-', '');
}

/**
 * Budgets as people see and steer them: limits that are set, thresholds, debt, agents that are put out, and the ledger
 * held against the log.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CallOptions, Mesh, MeshError } from '../../src/agent/index.js';
import type { BudgetPage, BudgetRow, ReconcilePage } from '../../src/control/budgets/pages.js';
import { orderKey } from '../../src/domain/budget/orders.js';
import { BudgetStore } from '../../src/fabric/budgets.js';
import { LightPublisher } from '../../src/fabric/publisher.js';
import { freshInbox } from '../../src/fabric/raw.js';
import { person, type Person } from '../support/approvals.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';
import { ask } from '../support/views.js';

/** Months: no window ends while a test runs. The cost of a call is what it is asked to use. */
const POLICY = `version: 1
roles:
  caller: { call: ['>'], mayRoot: true }
  worker: { serve: ['>'], call: ['>'] }
  finance: {}
members:
  ann: [finance]
  alice: [caller]
  bruno: [caller]
  clara: [caller]
  dina: [caller]
  emil: [caller]
  worker: [worker]
  other: [worker]
budgets:
  default: { window: month, limit: { micros: 1_000_000 }, warn: 10 }
  reserve: { '>': { micros: 100 } }
  teams:
    web: { members: [alice] }
  limits:
    - { on: principal, who: [alice], window: month, limit: { micros: 1000 } }
    - { on: principal, who: [bruno], window: month, limit: { micros: 1000 }, hold: 50, approvers: [finance] }
    - { on: principal, who: [clara], window: month, limit: { micros: 1000 } }
    - { on: agent, who: [other], window: month, limit: { micros: 10_000 }, quarantine: 3 }
    - { on: root, who: [emil], limit: { micros: 350 } }
`;

let mesh: TestMesh;
let ann: Person;
const callers = new Map<string, Mesh>();

beforeAll(async () => {
  const names = ['alice', 'bruno', 'clara', 'dina', 'emil'] as const;
  mesh = await startTestMesh({
    gateways: 2,
    policy: POLICY,
    users: {
      ...Object.fromEntries(names.map((name) => [name, 'caller' as const])),
      ...{ ann: 'caller' as const, worker: 'agent' as const, other: 'agent' as const },
    },
  });
  ann = person(await mesh.broker('ann'), 'ann');
  const worker = await mesh.connect('worker', { concurrency: 64 });
  await worker.serve('work.do', {}, (body: { use: number }, ctx) => ctx.usage({ micros: body.use }));
  await worker.serve('work.both', {}, () => 'worker');
  await worker.serve('work.tree', {}, async (body: { times: number }, ctx) => {
    const codes: string[] = [];
    for (let i = 0; i < body.times; i++) {
      codes.push(await codeOf(ctx.call('work.do', { use: 100 })));
    }
    ctx.usage({ micros: 100 });
    return codes;
  });
  const other = await mesh.connect('other', { concurrency: 64 });
  await other.serve('other.do', {}, (body: { use: number }, ctx) => ctx.usage({ micros: body.use }));
  await other.serve('work.both', {}, () => 'other');
  for (const name of names) {
    callers.set(name, await mesh.connect(name));
  }
}, 60_000);

afterAll(() => mesh.stop());

async function codeOf(call: Promise<unknown> | undefined): Promise<string> {
  return await Promise.resolve(call).then(
    () => 'completed',
    (err: unknown) => (err as MeshError).code,
  );
}

/** Use so much; how it ended. */
function use(name: string, micros: number, options?: CallOptions, capability = 'work.do'): Promise<string> {
  return codeOf(callers.get(name)?.call(capability, { use: micros }, options));
}

function show(pattern?: string): Promise<BudgetPage> {
  return ask<BudgetPage>(mesh.operator, 'view.operator.budgets', pattern === undefined ? {} : { pattern });
}

async function row(pattern: string): Promise<BudgetRow | undefined> {
  return (await show(pattern)).budgets[0];
}

function command<T>(what: string, body: object) {
  return ask<T>(mesh.operator, `admin.operator.${what}`, body);
}

describe('a limit', () => {
  test('is kept, raised at run time and cleared again; who set it is kept', async () => {
    for (let i = 0; i < 10; i++) {
      expect(await use('alice', 100)).toBe('completed');
    }
    expect(await use('alice', 100)).toBe('budget_exceeded');
    expect(await row('principal.alice')).toMatchObject({ spent: { micros: 1000 }, left: { micros: 0 } });
    const set = { node: 'principal.alice.month', amounts: { micros: 1200 }, why: 'a demo' };
    const before = Date.now();
    expect(await command('budget', set)).toMatchObject({ limit: { micros: 1200 }, before: { micros: 1000 } });
    await until(async () => (await use('alice', 100)) === 'completed', 1_000);
    expect(Date.now() - before).toBeLessThan(1_000);
    expect(await row('principal.alice')).toMatchObject({
      limit: { micros: 1200 },
      set: { by: 'operator', why: 'a demo' },
    });
    expect(await command('budget', { node: 'principal.alice.month' })).toMatchObject({
      limit: { micros: 1000 },
    });
    await until(async () => (await use('alice', 100)) === 'budget_exceeded', 1_000);
    expect((await row('principal.alice'))?.set).toBeUndefined();
  });

  test.each([
    ['a budget that nobody has', { node: 'principal.alice.day', amounts: { micros: 1 } }, 'not_found'],
    [
      'a unit it has no limit of',
      { node: 'principal.alice.month', amounts: { tokens: 1 } },
      'amount_invalid',
    ],
    ['a negative one', { node: 'principal.alice.month', amounts: { micros: -1 } }, 'schema_violation'],
    ['a fraction', { node: 'principal.alice.month', amounts: { micros: 0.5 } }, 'schema_violation'],
    ['one without end', { node: 'principal.alice.month', amounts: { micros: 1e308 } }, 'body_number'],
    ['none', { node: 'principal.alice.month', amounts: {} }, 'schema_violation'],
    ['a name that is none', { node: 'principal', amounts: { micros: 1 } }, 'schema_violation'],
  ])('%s is not set', async (_, body, code) => {
    expect((await command('budget', body)).code).toBe(code);
  });

  test('of a tree counts what its root and all below it reserve', async () => {
    const codes = await callers.get('emil')?.call('work.tree', { times: 4 });
    expect(codes).toEqual(['completed', 'completed', 'budget_exceeded', 'budget_exceeded']);
    expect((await show('tree.emil')).budgets.map(({ spent }) => spent)).toEqual([{ micros: 200 }]);
  });

  test('of a caller counts for that tree alone', async () => {
    const codes = await callers.get('dina')?.call('work.tree', { times: 3 }, { budget: { micros: 250 } });
    expect(codes).toEqual(['completed', 'budget_exceeded', 'budget_exceeded']);
    expect(await use('dina', 10, { budget: { micros: 100 } })).toBe('completed');
    expect(await use('dina', 10, { budget: {} })).toBe('header_invalid');
    expect(await use('dina', 10, { budget: { micros: 0.5 } })).toBe('amount_invalid');
  });

  test('of a caller below what the call reserves is refused, and closes nothing for others', async () => {
    expect(await use('dina', 100, { budget: { micros: 1 } })).toBe('budget_exceeded');
    expect(await use('dina', 100)).toBe('completed');
  });
});

describe('thresholds', () => {
  test('a call waits for a human from there; a yes lets it pass', async () => {
    for (let i = 0; i < 5; i++) {
      expect(await use('bruno', 100)).toBe('completed');
    }
    await until(async () => (await show('principal.bruno')).events.length > 0, 2_000);
    const waiting = use('bruno', 100, { timeoutMs: 20_000 });
    const [held] = await until(async () => {
      const { approvals } = await ann.ls();
      return approvals.length > 0 ? approvals : undefined;
    });
    const shown = await ann.show('bruno', held?.call ?? '');
    expect(shown.rules.map(({ rule }) => rule)).toEqual(['budget.principal.month']);
    await ann.vote('approve', { from: 'bruno', call: shown.call, digest: shown.digest });
    expect(await waiting).toBe('completed');
  });

  test('what was reached is said once, as an event and as a metric', async () => {
    const { events } = await show('principal.bruno');
    expect(events.map(({ what, percent }) => [what, percent])).toEqual([['hold', 50]]);
    const page = await mesh.control.sight.metrics();
    expect(page.text).toMatch(/mesh_budget_events_total\{[^}]*on="principal",what="hold"[^}]*\} 1/);
  });

  test('an agent that has spent too much gets nothing more, until somebody lifts it', async () => {
    const spend = (): Promise<string> => use('dina', 100, {}, 'other.do');
    await until(async () => {
      await spend();
      return (await show('agent.other')).out.length > 0;
    });
    await until(async () => (await spend()) === 'budget_quarantined', 2_000);
    const answers = await Promise.all(
      Array.from({ length: 8 }, async () => await callers.get('dina')?.call('work.both', {})),
    );
    expect(new Set(answers)).toEqual(new Set(['worker']));
    expect(await command('lift', { agent: 'other' })).toMatchObject({ lifted: true });
    await until(async () => (await spend()) === 'completed', 2_000);
    expect((await command('lift', { agent: 'other' })).code).toBe('not_found');
    const { events } = await show('agent.other');
    expect(events.find(({ what }) => what === 'lift')).toMatchObject({ by: 'operator' });
  });

  test('debt closes the budget and is told; a limit that is set opens it', async () => {
    expect(await use('clara', 150)).toBe('completed');
    await until(async () => (await row('principal.clara'))?.closed === true);
    await until(async () => (await use('clara', 1)) === 'budget_closed');
    expect(await row('principal.clara')).toMatchObject({ debt: { micros: 50 }, left: { micros: 0 } });
    const { events } = await until(async () => {
      const page = await show('principal.clara');
      return page.events.length > 0 ? page : undefined;
    });
    expect(events[0]).toMatchObject({ what: 'debt', debt: { micros: 50 } });
    await command('budget', { node: 'principal.clara.month', amounts: { micros: 1000 } });
    await until(async () => (await use('clara', 100)) === 'completed', 1_000);
  });
});

describe('the ledger and the log', () => {
  test('agree; and a ledger that was forged does not', async () => {
    const look = () => ask<ReconcilePage>(mesh.operator, 'view.operator.reconcile', {});
    const { nodes } = await look();
    expect(nodes.length).toBeGreaterThan(3);
    expect(nodes.filter(({ agrees, whole }) => !agrees || !whole)).toEqual([]);
    expect(nodes.find(({ key }) => key.startsWith('principal.alice'))?.log).toEqual({ micros: 1100 });

    const nc = await mesh.broker('control');
    const store = new BudgetStore(nc, new LightPublisher(nc, freshInbox(nc), 1_000));
    const { key } = (await row('principal.alice')) ?? { key: '' };
    const { value, revision } = await store.get<{ spent: { micros: number } }>(`node.${key}`);
    const less = { ...value, spent: { micros: (value?.spent.micros ?? 0) - 1 } };
    expect((await store.put(`node.${key}`, less, revision, 60_000)).kind).toBe('stored');
    const wrong = (await look()).nodes.filter(({ agrees }) => !agrees).map((one) => one.key);
    expect(wrong).toEqual([key]);
    expect((await store.get(orderKey.out('other'))).value).toBeUndefined();
  }, 20_000);
});

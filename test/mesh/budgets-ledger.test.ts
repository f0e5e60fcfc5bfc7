import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Mesh, MeshError } from '../../src/agent/index.js';
import { scan } from '../../src/fabric/reader.js';
import { header } from '../../src/wire/headers.js';
import type { DecisionRecord, OutcomeRecord } from '../../src/wire/generated/messages.js';
import type { NodeRecord } from '../../src/domain/budget/node-record.js';
import { kvGet } from '../../src/fabric/streams.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';

const LIMIT = 100_000;
const RESERVE = 1_000;
const CALLERS = ['alice', 'bruno', 'clara', 'dina', 'emil'] as const;

let mesh: TestMesh;
const callers = new Map<string, Mesh>();

beforeAll(async () => {
  mesh = await startTestMesh({
    gateways: 2,
    users: { ...Object.fromEntries(CALLERS.map((name) => [name, 'caller' as const])), payer: 'agent' },
    policy: `version: 1
roles:
  everyone: { call: ['>'], mayRoot: true }
  worker: { serve: ['>'], call: ['>'] }
members:
${CALLERS.map((name) => `  ${name}: [everyone]`).join('\n')}
  payer: [worker]
budgets:
  default: { window: month, limit: { micros: ${LIMIT} } }
  reserve: { '>': { micros: ${RESERVE} } }
`,
  });
  const payer = await mesh.connect('payer', { concurrency: 512 });
  await payer.serve('pay.all', {}, (_: unknown, ctx) => ctx.usage({ micros: RESERVE }));
  await payer.serve('pay.half', {}, (_: unknown, ctx) => ctx.usage({ micros: RESERVE / 2 }));
  for (const name of CALLERS) {
    callers.set(name, await mesh.connect(name));
  }
}, 60_000);

afterAll(() => mesh.stop());

/** Call so many times at once; how often it completed, and the codes of what was refused. */
async function callMany(
  name: string,
  capability: string,
  times: number,
): Promise<{ done: number; codes: string[] }> {
  const codes: string[] = [];
  let done = 0;
  await Promise.all(
    Array.from({ length: times }, async () => {
      try {
        await callers.get(name)?.call(capability, {});
        done++;
      } catch (err) {
        codes.push((err as MeshError).code);
      }
    }),
  );
  return { done, codes };
}

/** What the log says was spent and is reserved under a principal, at every prefix; the most there ever was. */
async function mostInLog(name: string): Promise<number> {
  const open = new Map<string, number>();
  const events: { at: number; call: string; reserve?: number; charged?: number }[] = [];
  await scan(mesh.operator, 'DECISIONS', { headersOnly: true }, (m) => {
    const r = JSON.parse(m.headers.get(header.record) ?? '{}') as DecisionRecord;
    if (r.budget !== undefined && r.chain[0] === name) {
      events.push({ at: m.storedAt ?? 0, call: r.call, reserve: r.budget.reserve.micros ?? 0 });
    }
    return undefined;
  });
  await scan(mesh.operator, 'OUTCOMES', { headersOnly: true }, (m) => {
    const r = JSON.parse(m.headers.get(header.outcome) ?? '{}') as OutcomeRecord;
    if (r.charged !== undefined && r.from === name) {
      events.push({ at: m.storedAt ?? 0, call: r.call, charged: r.charged.amounts.micros ?? 0 });
    }
    return undefined;
  });
  let most = 0;
  let spent = 0;
  for (const { call, reserve, charged } of events.sort((a, b) => a.at - b.at)) {
    if (reserve !== undefined) {
      open.set(call, reserve);
    } else {
      open.delete(call);
      spent += charged ?? 0;
    }
    most = Math.max(most, spent + [...open.values()].reduce((a, b) => a + b, 0));
  }
  return most;
}

async function nodeOf(name: string): Promise<NodeRecord | undefined> {
  const month = new Date().toISOString().slice(0, 7).replace('-', '');
  const text = await kvGet(mesh.operator, 'mesh_budget', `node.principal.${name}.month.${month}`);
  return text === undefined ? undefined : (JSON.parse(text) as NodeRecord);
}

test('two gateways spend one budget: never over, and all of it', async () => {
  const { done, codes } = await callMany('alice', 'pay.all', 200);
  expect(new Set(codes)).toEqual(new Set(['budget_exceeded']));
  expect(done).toBeLessThanOrEqual(LIMIT / RESERVE);
  expect(done).toBeGreaterThanOrEqual((LIMIT / RESERVE) * 0.95);
  expect(await mostInLog('alice')).toBeLessThanOrEqual(LIMIT);
});

test('what was reserved and not used is there again', async () => {
  let done = 0;
  for (let round = 0; round < 8; round++) {
    done += (await callMany('bruno', 'pay.half', 60)).done;
  }
  expect(done).toBeLessThanOrEqual((2 * LIMIT) / RESERVE);
  expect(done).toBeGreaterThanOrEqual((2 * LIMIT * 0.95) / RESERVE);
  expect(await mostInLog('bruno')).toBeLessThanOrEqual(LIMIT);
});

test('what no gateway needs any more goes back to the ledger', async () => {
  const { done } = await callMany('clara', 'pay.all', 10);
  expect(done).toBe(10);
  const node = await until(async () => {
    const found = await nodeOf('clara');
    return (found?.spent.micros ?? 0) === 10 * RESERVE ? found : undefined;
  });
  expect(Object.values(node.purses).map(({ a }) => a.micros ?? 0)).toEqual(
    Object.keys(node.purses).map(() => 0),
  );
});

/**
 * Budgets while gateways die and pause: real processes, and the log has the last word. Some attempts fail and are tried
 * again, some are slow and get a second agent beside them.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, meshError, type Mesh, type MeshError } from '../../src/agent/index.js';
import { startMesh, type RunningMesh } from '../../src/cli/up/mesh.js';
import type { NodeRecord } from '../../src/domain/budget/node-record.js';
import { connectBroker, type NatsConnection } from '../../src/fabric/connection.js';
import { kvGet } from '../../src/fabric/streams.js';
import { judgeLog, type Judged } from '../support/budget-judge.js';
import { pace, until } from '../support/mesh.js';

const RESERVE = 1_000;
const LIMIT = 200_000;
const PAYERS = ['p-kill', 'p-pause'] as const;

const dir = mkdtempSync(join(tmpdir(), 'capmesh-budget-'));
let mesh: RunningMesh;
let operator: NatsConnection;
const workers: Mesh[] = [];
let worked = 0;
const payers = new Map<string, Mesh>();

beforeAll(async () => {
  const policy = join(dir, 'policy.yaml');
  writeFileSync(
    policy,
    `version: 1
roles:
  payer: { call: ['>'], mayRoot: true }
  worker: { serve: ['>'] }
members:
${PAYERS.map((name) => `  ${name}: [payer]`).join('\n')}
  worker: [worker]
budgets:
  default: { window: month, limit: { micros: ${LIMIT} } }
  reserve: { '>': { micros: ${RESERVE} } }
retries:
  'work.>': { backoff: 20, budget: 50, hedge: { after: 60ms, share: 50 } }
`,
  );
  mesh = await startMesh({ dir: join(dir, 'data'), policy, gateways: 2 });
  operator = await connectBroker({
    url: mesh.url,
    name: 'operator',
    seed: mesh.credentials('operator').seed,
  });
  await mesh.addUser('worker', 'agent');
  for (let i = 0; i < 2; i++) {
    const worker = await connect({ url: mesh.url, creds: mesh.credentials('worker'), concurrency: 256 });
    workers.push(worker);
    await worker.serve('work.do', { idempotent: true, attemptMs: 4_000 }, async (_: unknown, ctx) => {
      const one = worked++ % 10;
      await pace(one === 7 ? 200 : 30);
      ctx.usage({ micros: (RESERVE * 3) / 4 });
      if (one === 3) {
        throw meshError('handler_transient', { why: 'every tenth' });
      }
    });
  }
  for (const name of PAYERS) {
    await mesh.addUser(name, 'caller');
    payers.set(name, await connect({ url: mesh.url, creds: mesh.credentials(name) }));
  }
}, 60_000);

afterAll(async () => {
  await Promise.all([...payers.values(), ...workers].map((one) => one.close(0).catch(() => undefined)));
  await operator.close();
  await mesh.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** Call with so many in flight until the budget is spent; what was told. */
async function spend(name: string, inFlight: number): Promise<Map<string, number>> {
  const told = new Map<string, number>();
  let spent = false;
  const one = async (): Promise<void> => {
    while (!spent) {
      const what = await (payers.get(name) as Mesh).call('work.do', {}, { timeoutMs: 15_000 }).then(
        () => 'completed',
        (err: MeshError) => err.code,
      );
      told.set(what, (told.get(what) ?? 0) + 1);
      spent ||= what === 'budget_exceeded';
    }
  };
  await Promise.all(Array.from({ length: inFlight }, one));
  return told;
}

function keyOf(name: string): string {
  return `principal.${name}.month.${new Date().toISOString().slice(0, 7).replace('-', '')}`;
}

async function nodeOf(name: string): Promise<NodeRecord> {
  return JSON.parse((await kvGet(operator, 'mesh_budget', `node.${keyOf(name)}`)) ?? '{}') as NodeRecord;
}

/** When nobody who is gone holds anything any more, and the ledger agrees with the log: what the log says. */
async function agreed(name: string): Promise<Judged> {
  const key = keyOf(name);
  return await until(async () => {
    const now = (await judgeLog(operator)).of(key);
    const { spent, purses } = await nodeOf(name);
    const held = Object.values(purses).reduce((sum, { a }) => sum + (a.micros ?? 0), 0);
    return held <= LIMIT / 100 && spent.micros === now.spent && now.reserved === 0 ? now : undefined;
  }, 20_000);
}

test('gateways that are killed spend nothing twice and strand nothing', { timeout: 60_000 }, async () => {
  const spending = spend('p-kill', 24);
  await pace(400); // the pace of the faults
  mesh.gateways[0]?.kill();
  await pace(1_200);
  mesh.gateways[1]?.kill();
  await spending;
  // What the dead had is there again: it can be spent.
  await until(
    async () => (await nodeOf('p-kill')).purses !== undefined && (await spend('p-kill', 4)).size > 0,
  );
  await until(
    async () => {
      await spend('p-kill', 4);
      return ((await nodeOf('p-kill')).spent.micros ?? 0) >= LIMIT * 0.99;
    },
    30_000,
    500,
  );
  const { most, spent } = await agreed('p-kill');
  expect(most).toBeLessThanOrEqual(LIMIT);
  expect(spent).toBeGreaterThanOrEqual(LIMIT * 0.99);
});

test('a gateway that was paused spends nothing twice', { timeout: 60_000 }, async () => {
  const spending = spend('p-pause', 24);
  await pace(400);
  const pid = mesh.gateways[0]?.pid ?? 0;
  process.kill(pid, 'SIGSTOP');
  await pace(3_000);
  process.kill(pid, 'SIGCONT');
  await spending;
  await until(
    async () => {
      await spend('p-pause', 4);
      return ((await nodeOf('p-pause')).spent.micros ?? 0) >= LIMIT * 0.99;
    },
    30_000,
    500,
  );
  const { most, spent } = await agreed('p-pause');
  expect(most).toBeLessThanOrEqual(LIMIT);
  expect(spent).toBeGreaterThanOrEqual(LIMIT * 0.99);
});

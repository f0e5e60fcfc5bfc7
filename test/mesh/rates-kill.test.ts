/**
 * A rate while one of two gateways is killed: real processes, and when each call was let in stands in the log.
 * RATES_KILLS says how many faults there are, one after the other: every second one is a pause.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, type Mesh } from '../../src/agent/index.js';
import { startMesh, type RunningMesh } from '../../src/cli/up/mesh.js';
import { connectBroker, type NatsConnection } from '../../src/fabric/connection.js';
import { scan } from '../../src/fabric/reader.js';
import type { DecisionRecord } from '../../src/wire/generated/messages.js';
import { beyond } from '../support/rate-model.js';
import { pace, until } from '../support/mesh.js';

const KILLS = Number(process.env['RATES_KILLS'] ?? 1);
const PER_SECOND = 60;
const BURST = 12;
const BEFORE_MS = 500;
/** So long after a kill the rate is used again. */
const AGAIN_MS = 4_500;
const AFTER_MS = 1_000;
const PAUSE_MS = 3_200;

const dir = mkdtempSync(join(tmpdir(), 'capmesh-rates-'));
let mesh: RunningMesh;
let operator: NatsConnection;
let worker: Mesh;
let fast: Mesh;

beforeAll(async () => {
  const policy = join(dir, 'policy.yaml');
  writeFileSync(
    policy,
    `version: 1
roles:
  user: { call: ['>'], mayRoot: true }
  worker: { serve: ['>'] }
members:
  fast: [user]
  worker: [worker]
rates:
  fast: { each: caller, rate: ${PER_SECOND}/s, burst: ${BURST} }
`,
  );
  mesh = await startMesh({ dir: join(dir, 'data'), policy, gateways: 2 });
  const { seed } = mesh.credentials('operator');
  operator = await connectBroker({ url: mesh.url, name: 'operator', seed });
  await mesh.addUser('worker', 'agent');
  await mesh.addUser('fast', 'caller');
  worker = await connect({ url: mesh.url, creds: mesh.credentials('worker'), concurrency: 512 });
  await worker.serve('work.do', { idempotent: true }, () => ({}));
  fast = await connect({ url: mesh.url, creds: mesh.credentials('fast') });
}, 60_000);

afterAll(async () => {
  await Promise.all([fast, worker].map((one) => one.close(0).catch(() => undefined)));
  await operator.close();
  await mesh.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** When each call was let in first, and by whom, in the order of time. */
async function letIn(): Promise<{ at: number; gateway: string }[]> {
  const all: { at: number; gateway: string }[] = [];
  await scan(operator, 'DECISIONS', { headersOnly: true }, ({ headers }) => {
    const record = JSON.parse(headers.get('Mesh-Record') ?? '{}') as DecisionRecord;
    if (record.verdict === 'allow' && record.attempt === 1) {
      all.push(record);
    }
    return undefined;
  });
  return all.toSorted((a, b) => a.at - b.at);
}

/** Stop a process and let it go on before its leases are over. */
async function paused(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  await pace(PAUSE_MS);
  process.kill(pid, 'SIGCONT');
}

test(
  'a gateway that is killed takes nothing of a rate along, and brings nothing too much',
  { timeout: 60_000 + KILLS * 10_000 },
  async () => {
    let over = false;
    const calls: Promise<unknown>[] = [];
    const began = Date.now();
    const load = (async () => {
      while (!over) {
        while (calls.length < ((Date.now() - began) / 1_000) * 4 * PER_SECOND) {
          calls.push(fast.call('work.do', {}, { timeoutMs: 4_000 }).catch(() => undefined));
        }
        await pace(5);
      }
    })();
    await until(async () => new Set((await letIn()).map(({ gateway }) => gateway)).size === 2);
    const kills: number[] = [];
    for (let n = 0; n < KILLS; n++) {
      await pace(BEFORE_MS);
      kills.push(Date.now());
      await (n % 2 === 0 ? mesh.gateways[0]?.kill() : paused(mesh.gateways[1]?.pid ?? 0));
      await pace((kills[n] ?? 0) + AGAIN_MS + AFTER_MS - Date.now());
    }
    over = true;
    await load;
    const all = (await letIn()).map(({ at }) => at);
    await Promise.all(calls);
    const within = (from: number, forMs: number) =>
      all.filter((at) => at >= from && at < from + forMs).length;
    const share = (from: number, forMs: number) => within(from, forMs) / ((PER_SECOND * forMs) / 1_000);
    for (const at of kills) {
      const lacks = Array.from({ length: (AGAIN_MS + AFTER_MS) / 500 }, (_, i) => share(at + i * 500, 500));
      console.log(
        `of the rate in each half second after the kill: ${lacks.map((x) => x.toFixed(2)).join(' ')}`,
      );
    }
    expect(
      beyond(
        all.map((at) => at - began),
        BURST,
        PER_SECOND / 1_000,
      ),
    ).toBeLessThanOrEqual(1);
    const after = kills.map((at) => share(at + AGAIN_MS, AFTER_MS));
    expect(Math.min(...after)).toBeGreaterThanOrEqual(0.95);
  },
);

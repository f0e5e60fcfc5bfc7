/**
 * The server itself is killed under load and started again: what was accepted is answered, once.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { connect, newCallId, type MeshError } from '../../src/agent/index.js';
import { startMesh } from '../../src/cli/up/mesh.js';
import { pace } from '../support/mesh.js';

const POLICY = `version: 1
roles:
  all: { call: ['>'], serve: ['>'], mayRoot: true }
members:
  me: [all]
  worker: [all]
`;
const CRASHES = 3;

test('calls under way when the server crashes are answered once', { timeout: 180_000 }, async () => {
  const dir = mkdtempSync(join(tmpdir(), 'capmesh-crash-'));
  writeFileSync(join(dir, 'policy.yaml'), POLICY);
  const mesh = await startMesh({ dir: join(dir, 'data'), policy: join(dir, 'policy.yaml'), gateways: 2 });
  try {
    await mesh.addUser('worker', 'agent');
    const effects = new Map<string, number>();
    const worker = await connect({ url: mesh.url, creds: mesh.credentials('worker'), concurrency: 512 });
    await worker.serve('work.do', { idempotent: false }, async (body: { n: number }, ctx) => {
      effects.set(ctx.key, (effects.get(ctx.key) ?? 0) + 1);
      await pace(100 + Math.random() * 200);
      return body;
    });
    const caller = await connect({ url: mesh.url, creds: mesh.credentials('me') });
    const told = new Map<string, string>();
    let stopped = false;
    let n = 0;
    const one = async () => {
      while (!stopped) {
        const id = newCallId();
        const body = { n: n++ };
        const call = (): Promise<unknown> =>
          caller.call('work.do', body, { id, timeoutMs: 20_000 }).catch((err: MeshError) => {
            if (err.code === 'unavailable' && err.retry === 'same_id') {
              return call();
            }
            throw err;
          });
        const answer = call();
        told.set(
          id,
          await answer.then(
            () => 'completed',
            (err: MeshError) => `${err.status ?? 'none'}:${err.code}`,
          ),
        );
      }
    };
    const loading = Promise.all(Array.from({ length: 100 }, one));
    for (let i = 0; i < CRASHES; i++) {
      await pace(2_000); // the pace of the faults, not a wait for one
      mesh.server?.kill();
    }
    await pace(3_000); // useful work after the last crash
    stopped = true;
    await loading;
    const counts = new Map<string, number>();
    told.forEach((t) => counts.set(t, (counts.get(t) ?? 0) + 1));
    console.log(JSON.stringify(Object.fromEntries(counts)), effects.size);
    expect([...effects.values()].filter((times) => times > 1)).toEqual([]);
    expect([...counts.keys()].filter((t) => t !== 'completed' && t !== 'unknown:attempt_lost')).toEqual([]);
    expect((counts.get('completed') ?? 0) / told.size).toBeGreaterThan(0.9);
    expect(told.size).toBeGreaterThan(1_000);
    await worker.close(0);
    await caller.close(0);
  } finally {
    await mesh.stop();
    rmSync(dir, { recursive: true, force: true });
  }
});

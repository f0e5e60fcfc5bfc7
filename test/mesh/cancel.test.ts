/**
 * Cancels that come at any moment of a call: before it is taken, while it is decided, while it runs.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Mesh, MeshError } from '../../src/agent/index.js';
import { openLab, type Lab } from '../support/lab.js';
import { pace, startTestMesh, type TestMesh } from '../support/mesh.js';

let mesh: TestMesh;
let alice: Mesh;
let lab: Lab;

beforeAll(async () => {
  mesh = await startTestMesh({ users: { alice: 'caller', lab: 'agent' } });
  alice = await mesh.connect('alice');
  lab = await openLab(await mesh.connect('lab', { concurrency: 1_000 }));
});
afterAll(() => mesh.stop());

/** Call what never ends, and cancel it after so many half milliseconds. */
async function cancelledAfter(halfMs: number): Promise<string> {
  const abort = new AbortController();
  const until = performance.now() + halfMs / 2;
  const call = alice.call('lab.slow', {}, { signal: abort.signal });
  while (performance.now() < until) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  abort.abort();
  const late = pace(5_000).then(() => 'still running');
  return await Promise.race([
    late,
    call.then(
      () => 'completed',
      (err: MeshError) => err.status ?? err.code,
    ),
  ]);
}

test('a cancel reaches the call at whatever moment it comes', async () => {
  const said: string[] = [];
  for (let round = 0; round < 20 && !said.includes('still running'); round++) {
    for (let halfMs = 0; halfMs < 10; halfMs++) {
      said.push(await cancelledAfter(halfMs));
    }
  }
  expect(new Set(said)).toEqual(new Set(['cancelled']));
  expect(lab.started.length).toBe(lab.aborted.length);
});

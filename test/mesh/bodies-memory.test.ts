/**
 * The bounds are computed before anything is measured.
 *
 * A gateway has at most `chunksAtOnce` chunks in hand, each up to four times: as it came, as it is sent on, in the
 * buffers of two sockets. 32 MiB are left for what it has dropped and the collector has not taken yet, and for the heap
 * of one that works for the first time. That bound holds for any number of users, for all bodies of this file together,
 * and for the largest one, which is larger: a gateway that held it whole would be seen.
 *
 * The server keeps what lies in the store in its cache for ten seconds, beside what is on its way (16 MiB, as above);
 * its collector lets that double, and 32 MiB are left for everything else. A body that is dropped leaves the cache, so
 * one body after the other costs no more than one.
 */
import { spawn } from 'node:child_process';
import { createHash, randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, type Mesh } from '../../src/agent/index.js';
import { startMesh, type RunningMesh } from '../../src/cli/up/mesh.js';
import { limits } from '../../src/wire/limits.js';
import { openPolicy } from '../support/mesh.js';
import { watchMemory } from '../support/memory.js';

const MIB = 1024 * 1024;
const BODY = 50 * MIB;
const ON_ITS_WAY = limits.chunksAtOnce * limits.chunkBytes;
const GATEWAY_MAX = 4 * ON_ITS_WAY + 32 * MIB;
const serverMax = (inStore: number) => 2 * (inStore + ON_ITS_WAY) + 32 * MIB;

const dir = mkdtempSync(join(tmpdir(), 'capmesh-bodies-'));
const digests: string[] = [];
let mesh: RunningMesh;
/** What the gateway grew by since before the first body. */
let gatewayGrown: () => number;
let agent: Mesh;
let caller: Mesh;

const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const bytesOf = (size: number): Buffer => randomFillSync(Buffer.allocUnsafeSlow(size));

beforeAll(async () => {
  const policy = join(dir, 'policy.yaml');
  writeFileSync(policy, openPolicy({ me: 'caller', worker: 'agent' }));
  mesh = await startMesh({ dir: join(dir, 'data'), policy, gateways: 1 });
  await mesh.addUser('worker', 'agent');
  agent = await connect({ url: mesh.url, creds: mesh.credentials('worker') });
  caller = await connect({ url: mesh.url, creds: mesh.credentials('me') });
  await agent.serve('blob.turn', { takes: ['bytes'], gives: ['bytes'] }, (body: Buffer) => {
    digests.push(sha(body));
    return body.reverse();
  });
  await agent.serve('blob.take', { takes: ['bytes'] }, (body: Buffer) => void digests.push(sha(body)));
  await caller.call('blob.turn', Buffer.from([1, 2, 3])); // everything is loaded and compiled
  gatewayGrown = watchMemory(mesh.gateways[0]?.pid ?? 0);
});

afterAll(async () => {
  await agent.close();
  await caller.close();
  await mesh.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** Do it while the peaks of gateway and server are watched; what the server grew by, and the gateway so far, in bytes. */
async function watched(
  what: string,
  work: () => Promise<void>,
): Promise<{ gateway: number; server: number }> {
  const server = watchMemory(mesh.server?.pid ?? 0);
  const began = performance.now();
  await work();
  const grown = { gateway: gatewayGrown(), server: server() };
  const ms = Math.round(performance.now() - began);
  console.log(
    JSON.stringify({
      what,
      ms,
      gatewayMiB: Math.round(grown.gateway / MIB),
      serverMiB: Math.round(grown.server / MIB),
    }),
  );
  return grown;
}

test('50 MB arrive with the right digest, four times, while gateway and server stay small', async () => {
  const body = bytesOf(BODY);
  const grown = await watched('4 x 50 MB', async () => {
    for (let round = 0; round < 4; round++) {
      await caller.call('blob.take', body, { timeoutMs: 60_000 });
      expect(digests.at(-1)).toBe(sha(body));
    }
  });
  expect(grown.gateway).toBeLessThan(GATEWAY_MAX);
  expect(grown.server).toBeLessThan(serverMax(BODY));
}, 120_000);

test('50 MB go there and back', async () => {
  const body = bytesOf(BODY);
  const grown = await watched('50 MB there and back', async () => {
    const back = await caller.call('blob.turn', body, { timeoutMs: 60_000 });
    expect(digests.at(-1)).toBe(sha(body));
    expect(sha((back as unknown as Buffer).reverse())).toBe(sha(body));
  });
  expect(grown.gateway).toBeLessThan(GATEWAY_MAX);
  expect(grown.server).toBeLessThan(serverMax(2 * BODY));
}, 120_000);

test('the largest body is more than a gateway ever holds, and passes', async () => {
  const body = bytesOf(limits.bodyRefBytes);
  const grown = await watched('the largest body', async () => {
    await caller.call('blob.take', body, { timeoutMs: 60_000 });
    expect(digests.at(-1)).toBe(sha(body));
  });
  expect(grown.gateway).toBeLessThan(GATEWAY_MAX);
  expect(GATEWAY_MAX).toBeLessThan(body.length);
}, 120_000);

test('planted: a process that holds the largest body whole is seen', async () => {
  const holds = `process.stdin.once('data', () => {
    globalThis.body = Buffer.alloc(${limits.bodyRefBytes}, 1);
    console.log('held');
  });
  console.log('ready');`;
  const child = spawn(process.execPath, ['-e', holds], { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    await once(child.stdout, 'data');
    const grown = watchMemory(child.pid ?? 0);
    child.stdin.write('\n');
    await once(child.stdout, 'data');
    expect(grown()).toBeGreaterThan(GATEWAY_MAX);
  } finally {
    child.kill();
  }
});

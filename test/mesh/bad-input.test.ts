/**
 * Bad input: each gets one typed error, nothing is lost, and the gateway is the same process afterwards.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect, newCallId, type Mesh } from '../../src/agent/index.js';
import { startMesh, type RunningMesh } from '../../src/cli/up/mesh.js';
import { RawCaller } from '../support/raw-caller.js';
import { badCalls, INPUT_SCHEMA, type BadCall } from '../support/bad-calls.js';
import { badCards } from '../support/bad-cards.js';

const POLICY = `version: 1
roles:
  caller: { call: ['bad.>', 'known.>'], mayRoot: true }
  worker: { serve: ['>'], call: ['bad.>'] }
members:
  mallory: [caller]
  worker: [worker]
  carder: [worker]
`;

let dir: string;
let mesh: RunningMesh;
let worker: Mesh;
let raw: RawCaller;
let gatewayPid: number | undefined;
const times: number[] = [];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'capmesh-bad-'));
  writeFileSync(join(dir, 'policy.yaml'), POLICY);
  mesh = await startMesh({ dir: join(dir, 'data'), policy: join(dir, 'policy.yaml') });
  await mesh.addUsers([
    { name: 'mallory', role: 'caller' },
    { name: 'worker', role: 'agent' },
    { name: 'carder', role: 'agent' },
  ]);
  worker = await connect({ url: mesh.url, creds: mesh.credentials('worker') });
  await worker.serveAll([
    { name: 'bad.strict', options: { input: INPUT_SCHEMA }, handler: () => ({ ok: true }) },
    { name: 'bad.open', options: {}, handler: () => ({ ok: true }) },
    {
      name: 'bad.linear',
      options: { input: { type: 'string', pattern: '^(a+)+$' } },
      handler: () => ({ ok: true }),
    },
    { name: 'secret.thing', options: {}, handler: () => ({ ok: true }) },
  ]);
  raw = await RawCaller.open(mesh.url, mesh.credentials('mallory'));
  gatewayPid = mesh.gateways[0]?.pid;
  await raw.call({ capability: 'bad.open', headers: { 'Mesh-Call': newCallId() }, body: '{}' }); // warm
  await RawCaller.hello(mesh.url, mesh.credentials('carder'), badCards[0]?.card ?? '');
});

afterAll(async () => {
  await raw.close();
  await worker.close(0);
  await mesh.stop();
  rmSync(dir, { recursive: true, force: true });
});

describe('calls', () => {
  test.each(badCalls.map((c) => [c.name, c] as const))('%s', async (_, bad: BadCall) => {
    const began = performance.now();
    const got = await raw.call(bad.make());
    times.push(performance.now() - began);
    expect(`${got.status} ${got.code ?? ''}`.trim()).toBe(bad.expect);
    // A completed call has nothing to look at; every other answer is one whole, typed error.
    const shape = {
      code: got.code,
      help: expect.any(String) as string,
      message: expect.any(String) as string,
    };
    expect(got.error ?? shape).toMatchObject(shape);
    expect(JSON.stringify(got.error ?? {})).not.toMatch(/\n\s+at |node_modules|\.js:\d/);
    bad.look?.(got.error);
  });
});

describe('cards', () => {
  test.each(badCards.map((c) => [c.name, c] as const))('%s', async (_, bad) => {
    const began = performance.now();
    const got = await RawCaller.hello(mesh.url, mesh.credentials('carder'), bad.card);
    times.push(performance.now() - began);
    expect(got.code).toBe(bad.expect);
    expect(got).toMatchObject({ help: expect.any(String), message: expect.any(String) });
  });
});

describe('afterwards', () => {
  test('at least 60 inputs were tried, and nobody waited long', () => {
    expect(times.length).toBeGreaterThanOrEqual(60);
    const sorted = times.toSorted((a, b) => a - b);
    expect(sorted[Math.floor(sorted.length * 0.99)]).toBeLessThanOrEqual(100);
  });

  test('the same gateway process serves a good call', async () => {
    const got = await raw.call({
      capability: 'bad.open',
      headers: { 'Mesh-Call': newCallId() },
      body: '{"n":1}',
    });
    expect(got.status).toBe('completed');
    expect(mesh.gateways[0]?.pid).toBe(gatewayPid);
  });

  test('a linear engine runs the pattern that stalls others', async () => {
    const began = performance.now();
    const body = JSON.stringify(`${'a'.repeat(5_000)}!`);
    const got = await raw.call({ capability: 'bad.linear', headers: { 'Mesh-Call': newCallId() }, body });
    expect(got.code).toBe('schema_violation');
    expect(performance.now() - began).toBeLessThan(100);
  });

  test('headers of the broker are dropped on the way to the agent', async () => {
    const got = await raw.ask({
      capability: 'bad.open',
      headers: {
        'Nats-Msg-Id': 'x',
        'Nats-Rollup': 'all',
        'Nats-TTL': '1s',
        'Nats-Expected-Stream': 'DECISIONS',
        'nats-trace-dest': 'x',
      },
      body: '{}',
    });
    expect(got.status).toBe('completed');
  });

  test('near names are told only to those who may call them', async () => {
    const granted = await raw.call({
      capability: 'bad.opem',
      headers: { 'Mesh-Call': newCallId() },
      body: '{}',
    });
    expect(JSON.stringify(granted.error)).toContain('bad.open');
    const stranger = await raw.call({
      capability: 'known.thing',
      headers: { 'Mesh-Call': newCallId() },
      body: '{}',
    });
    expect(JSON.stringify(stranger.error)).not.toContain('secret');
  });
});

/** Dead calls whose bodies are not JSON in a message: what is kept of them, and what a replay makes of it. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newCallId, type Mesh } from '../../src/agent/index.js';
import type { DeadPage, DeadRow } from '../../src/control/views/pages.js';
import { describeDead } from '../../src/cli/laid/describe.js';
import { parseBodyRef } from '../../src/domain/body-ref.js';
import { readBody } from '../../src/wire/content.js';
import { bytesDigest } from '../../src/wire/digest.js';
import { BodyClient } from '../support/body-client.js';
import { startTestMesh, type TestMesh } from '../support/mesh.js';
import { die, outcomeOf, replaysOf, startPoison, type Poison } from '../support/poison.js';
import { RawCaller } from '../support/raw-caller.js';
import { ask } from '../support/views.js';

let mesh: TestMesh;
let alice: Mesh;
let poison: Poison;

beforeAll(async () => {
  mesh = await startTestMesh({ users: { alice: 'caller', worker: 'agent' } });
  alice = await mesh.connect('alice');
  poison = await startPoison(mesh, 'worker', ['blob.keep'], {
    takes: ['json', 'msgpack', 'bytes'],
    references: true,
  });
});
afterAll(() => mesh.stop());

async function rowOf(call: string): Promise<DeadRow> {
  const { dead } = await ask<DeadPage>(mesh.operator, 'view.operator.dead', { call });
  return dead[0] as DeadRow;
}

interface Replayed {
  readonly state?: string;
  readonly call?: string;
  readonly code?: string;
}

async function replay({ from, call, seq }: DeadRow): Promise<Replayed> {
  poison.mended = true;
  poison.given.length = 0;
  return await ask<Replayed>(mesh.operator, 'admin.operator.replay', { from, call, seq });
}

test.each([
  ['msgpack', { n: 1, text: 'ä' }, 'application/msgpack'],
  ['bytes', Buffer.from([0, 1, 2, 255]), 'application/octet-stream'],
] as const)('%s is replayed as what it was', async (kind, body, contentType) => {
  poison.mended = false;
  const id = await die(alice, 'blob.keep', body, kind === 'msgpack' ? { encoding: kind } : {});
  const dead = await rowOf(id);
  expect(dead.headers).toMatchObject({ 'Content-Type': contentType });
  const { state, call = '' } = await replay(dead);
  expect(state).toBe('replayed');
  expect(await outcomeOf(mesh.operator, 'alice', call)).toBe('completed');
  expect(poison.given.map((one) => readBody(kind, one.body as Buffer))).toEqual([body]);
});

test('a body by reference that its caller has dropped: body_missing, on record, and the dead call stays', async () => {
  poison.mended = false;
  const id = await die(alice, 'blob.keep', randomBytes(1_200_000));
  const dead = await rowOf(id);
  expect(describeDead(dead, undefined).join('\n')).toMatch(/body +1200000 bytes by reference, kept until /);
  expect((await replay(dead)).code).toBe('body_missing');
  expect(await replaysOf(mesh.operator, `alice.${id}`)).toMatchObject([
    { verdict: 'refuse', by: 'operator' },
  ]);
  expect([poison.given, (await rowOf(id)).call]).toEqual([[], id]);
});

test('one that is still there is replayed with it', async () => {
  poison.mended = false;
  const body = randomBytes(1_200_000);
  const caller = await RawCaller.open(mesh.url, mesh.credentials('alice'));
  const ref = await new BodyClient(caller.nc, 'alice').upload(body, { until: Date.now() + 300_000 });
  const id = newCallId();
  const headers = {
    'Mesh-Call': id,
    'Mesh-Body-Ref': ref,
    'Mesh-Deadline': String(Date.now() + 20_000),
    'Content-Type': 'application/octet-stream',
  };
  const { code } = await caller.call({ capability: 'blob.keep', headers, body: '' });
  expect(code).toBe('poison');
  const { call = '' } = await replay(await rowOf(id));
  expect(await outcomeOf(mesh.operator, 'alice', call)).toBe('completed');
  expect(poison.given.map(({ ref }) => parseBodyRef(ref))).toMatchObject([
    { owner: 'alice', reader: 'worker', digest: bytesDigest(body) },
  ]);
  await caller.nc.close();
});

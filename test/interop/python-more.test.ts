/**
 * Raw bytes, bodies by reference and partial outputs without our SDK: what docs/protocol.md says of them is enough to write both sides.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { newCallId, type Mesh } from '../../src/agent/index.js';
import { subjectsOf } from '../../src/fabric/streams.js';
import { connectBroker } from '../../src/fabric/connection.js';
import { until } from '../support/mesh.js';
import { Peers } from './peers.js';

const POLICY = `version: 1
roles:
  everyone: { call: ['mirror.*'], mayRoot: true }
  worker: { serve: ['mirror.*'] }
members:
  me: [everyone]
  python: [worker]
  sdk: [worker]
`;
const LARGE = 3_000_000;

const python = inject('tools').python !== undefined;
let peers: Peers;
let me: Mesh;

describe.skipIf(!python)('in Python', () => {
  beforeAll(async () => {
    const agents = ['python', 'sdk'].map((name) => ({ name, role: 'agent' as const }));
    peers = await Peers.start(agents, POLICY);
    me = await peers.sdk('me');
    const sdk = await peers.sdk('sdk');
    const kinds = { takes: ['json', 'bytes'], gives: ['json', 'bytes'], idempotent: true } as const;
    await sdk.serve('mirror.sdk', kinds, (body: unknown) => (Buffer.isBuffer(body) ? body.reverse() : body));
    await sdk.serve('mirror.text', (body: unknown) => body);
    await sdk.serve('mirror.steps', async ({ to }: { to: number }, ctx) => {
      for (let n = 1; n <= to; n++) {
        await ctx.progress({ n });
      }
      return null;
    });
    await peers.pythonAgent('python', 'test/interop/mirror.py');
  });
  afterAll(() => peers?.stop());

  const operator = async () => {
    const { url } = peers.mesh;
    const nc = await connectBroker({ url, name: 'operator', seed: peers.mesh.credentials('operator').seed });
    return { nc, close: () => nc.close() };
  };

  test.each([1, 1_000_000, 1_000_001, LARGE])('an agent takes and gives %i raw bytes', async (size) => {
    const picture = randomBytes(size);
    const mirrored = await me.call<Buffer>('mirror.python', picture);
    expect(mirrored.equals(Buffer.from(picture).reverse())).toBe(true);
  });

  test('an agent takes and gives large JSON, which the mesh has read', async () => {
    const words = Array.from({ length: 40_000 }, (_, i) => `wörd ${i} ${'x'.repeat(40)}`);
    expect(await me.call('mirror.python', words)).toEqual(words);
  });

  test.each(['sdk', 'python'])('a caller sends and gets them, the agent being in %s', async (agent) => {
    const [from, digest] = [join(peers.mesh.dir, `${agent}.raw`), randomBytes(LARGE)];
    writeFileSync(from, digest);
    const to = join(peers.mesh.dir, `${agent}.mirrored`);
    const { said, code } = await peers.pythonCaller('me', `mirror.${agent}`, `@${from}`, '--to', to);
    expect(code, `it said: ${said}`).toBe(0);
    expect(readFileSync(to).equals(Buffer.from(digest).reverse())).toBe(true);
    rmSync(to);
  });

  test('a retry stores its body anew and is the same call; what it stored is dropped', async () => {
    const from = join(peers.mesh.dir, 'retry.raw');
    const call = (id: string) =>
      peers.pythonCaller('me', 'mirror.sdk', `@${from}`, '--id', id, '--to', `${from}.out`);
    const id = newCallId();
    writeFileSync(from, randomBytes(LARGE));
    expect((await call(id)).code).toBe(0);
    const first = readFileSync(`${from}.out`);
    expect((await call(id)).code).toBe(0);
    expect(readFileSync(`${from}.out`).equals(first)).toBe(true);
    writeFileSync(from, randomBytes(LARGE));
    expect((await call(id)).said).toContain('call_id_reused');
    const { nc, close } = await operator();
    await until(async () => (await subjectsOf(nc, 'BODIES', 'mesh.v1.body.me.>')).length === 0);
    await close();
  });

  test('partial outputs come in order and once from an agent, and wait for who reads slowly', async () => {
    const { nc, close } = await operator();
    const said: number[] = [];
    nc.subscribe('mesh.v1.progress.python.>', {
      callback: (_, msg) => void said.push(Number(msg.headers?.get('Mesh-Part'))),
    });
    await nc.flush();
    const stream = me.stream<{ heard: number }>('mirror.count', { to: 300 }, { window: 4 });
    const heard: number[] = [];
    let furthest = 0;
    for await (const { value } of stream) {
      heard.push((value as { n: number }).n);
      if (heard.length === 100) {
        await until(() => new Set(said).size < said.length); // what is not read is said again
        furthest = Math.max(...said);
      }
    }
    expect(furthest, 'no more than a window ahead').toBeLessThanOrEqual(104);
    expect(heard).toEqual(Array.from({ length: 300 }, (_, i) => i + 1));
    expect((await stream.outcome).value).toEqual({ heard: 300 });
    expect(await me.call('mirror.count', { to: 5 }), 'nobody listens').toEqual({ heard: 0 });
    await close();
  });

  test('partial outputs come in order and once to a caller', async () => {
    const { said, code } = await peers.pythonCaller('me', 'mirror.steps', '{"to":200}', '--stream');
    expect(code, `it said: ${said}`).toBe(0);
    const lines = said.split('\n').filter((line) => line.startsWith('{"n"'));
    expect(lines).toEqual(Array.from({ length: 200 }, (_, i) => `{"n": ${i + 1}}`));
  });

  test('bytes for an agent that takes none are refused', async () => {
    const from = join(peers.mesh.dir, 'small.raw');
    writeFileSync(from, 'abc');
    const { said, code } = await peers.pythonCaller('me', 'mirror.text', `@${from}`);
    expect(said).toMatch(/^refused: \[content_type\]/);
    expect(code).toBe(3);
  });
});

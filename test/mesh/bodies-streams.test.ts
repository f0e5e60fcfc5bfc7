import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Mesh, TaskContext } from '../../src/agent/index.js';
import { subjectsOf } from '../../src/fabric/streams.js';
import { limits } from '../../src/wire/limits.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';

const body = randomBytes(2 * 1024 * 1024);
let mesh: TestMesh;
let alice: Mesh;
let goOn = (): void => undefined;

beforeAll(async () => {
  mesh = await startTestMesh({ users: { alice: 'caller', worker: 'agent' } });
  alice = await mesh.connect('alice');
  const agent = await mesh.connect('worker');
  const options = { takes: ['bytes'], gives: ['bytes'] } as const;
  await agent.serveAll([
    {
      name: 'blob.parts',
      options,
      handler: async (bytes: Buffer, ctx: TaskContext) => {
        await ctx.progress({ half: bytes.length / 2 });
        await ctx.progress({ whole: bytes.length });
        return bytes;
      },
    },
    {
      name: 'blob.later',
      options,
      handler: async (bytes: Buffer) => {
        await new Promise<void>((resolve) => (goOn = resolve));
        return bytes;
      },
    },
  ]);
});
afterAll(() => mesh.stop());

const stored = () => subjectsOf(mesh.operator, 'BODIES', 'mesh.v1.body.alice.>');

test('a large body goes with a stream, and a large result comes with its parts', async () => {
  const stream = alice.stream('blob.parts', body);
  const parts: unknown[] = [];
  for await (const { n, value } of stream) {
    parts.push([n, value]);
  }
  expect(parts).toEqual([
    [1, { half: body.length / 2 }],
    [2, { whole: body.length }],
  ]);
  expect(body.equals((await stream.outcome).value as unknown as Buffer)).toBe(true);
});

test('a large body of a call that is waited for later stays until its agent has read it', async () => {
  await until(async () => (await stored()).length === 0);
  const call = await alice.send('blob.later', body);
  expect((await stored()).length).toBeGreaterThanOrEqual(body.length / limits.chunkBytes); // one for each chunk
  let done = false;
  const outcome = alice.wait(call).finally(() => (done = true));
  await until(() => {
    goOn();
    return done;
  });
  expect(body.equals((await outcome).value as unknown as Buffer)).toBe(true);
});

test('a stream that cannot start says so to those who only iterate', async () => {
  const read = async (id: string) => {
    for await (const part of alice.stream('blob.parts', body, { id })) {
      throw new Error(`there is a part: ${JSON.stringify(part)}`);
    }
  };
  await expect(read('no ulid')).rejects.toMatchObject({ code: 'call_id_invalid' });
});

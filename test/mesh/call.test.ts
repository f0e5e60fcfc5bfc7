import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newCallId, type Mesh, type MeshError } from '../../src/agent/index.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';

let mesh: TestMesh;
let caller: Mesh;
let agent: Mesh;

beforeAll(async () => {
  mesh = await startTestMesh({
    users: {
      alice: 'caller',
      worker: 'agent',
      other: 'agent',
      slow: 'agent',
      late: 'agent',
      gone: 'agent',
      busy: 'agent',
    },
    gateways: 2,
  });
  caller = await mesh.connect('alice');
  agent = await mesh.connect('worker', { concurrency: 64 });
});
afterAll(() => mesh.stop());

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'completed',
    (err: MeshError) => `${err.status ?? 'local'} ${err.code}`,
  );

describe('one call', () => {
  test('goes through every station and comes back with its decision', async () => {
    await agent.serve('greet.hello', (body: { name: string }) => ({ text: `hello ${body.name}` }));
    const outcome = await caller.callForOutcome('greet.hello', { name: 'ada' });
    expect(outcome).toMatchObject({ value: { text: 'hello ada' }, agent: 'worker', attempt: 1 });
    expect(outcome.seq).toBeGreaterThan(0);
  });

  test('a retry with the same id gives the same outcome and runs nothing', async () => {
    let runs = 0;
    await agent.serve('count.up', () => ({ runs: ++runs }));
    const id = newCallId();
    const first = await caller.call('count.up', {}, { id });
    const second = await caller.call('count.up', {}, { id });
    expect([first, second, runs]).toEqual([{ runs: 1 }, { runs: 1 }, 1]);
  });

  test('the same id with other bytes is told apart', async () => {
    await agent.serve('echo.body', (body: unknown) => body);
    const id = newCallId();
    await caller.call('echo.body', { n: 1 }, { id });
    expect(await codeOf(caller.call('echo.body', { n: 2 }, { id }))).toBe('local call_id_reused');
  });

  test('a handler that throws is failed, and its message arrives without a stack', async () => {
    await agent.serve('bad.luck', () => {
      throw new Error('no luck today');
    });
    const err = await caller.call('bad.luck', {}).catch((e: unknown) => e as MeshError);
    expect(err).toMatchObject({ code: 'handler_failed', status: 'failed' });
    expect(JSON.stringify((err as MeshError).toBody())).toContain('no luck today');
    expect(JSON.stringify((err as MeshError).toBody())).not.toContain('.ts:');
  });

  test('a result that does not fit the output schema is failed', async () => {
    await agent.serve('bad.shape', { output: { type: 'object', required: ['n'] } }, () => ({ m: 1 }));
    expect(await codeOf(caller.call('bad.shape', {}))).toBe('failed output_invalid');
  });
});

describe('a tree of calls', () => {
  test('a child call carries the ticket: same root, shorter deadline, longer chain', async () => {
    const seen: { root: string; deadline: number; from: string }[] = [];
    const other = await mesh.connect('other');
    await other.serve('tree.leaf', (_: unknown, ctx) => {
      seen.push({ root: ctx.root, deadline: ctx.deadline, from: ctx.from });
      return { leaf: true };
    });
    await agent.serve('tree.top', async (_: unknown, ctx) => {
      seen.push({ root: ctx.root, deadline: ctx.deadline, from: ctx.from });
      return await ctx.call('tree.leaf', {});
    });
    expect(await caller.call('tree.top', {})).toEqual({ leaf: true });
    const [top, leaf] = seen;
    expect(leaf?.root).toBe(top?.root);
    expect(leaf?.from).toBe('worker');
    expect(leaf?.deadline).toBeLessThan(top?.deadline ?? 0);
  });

  test('a circle is cut', async () => {
    await agent.serve('circle.a', (_: unknown, ctx) => ctx.call('circle.a', {}));
    const err = await caller.call('circle.a', {}).catch((e: unknown) => e as MeshError);
    expect(JSON.stringify((err as MeshError).toBody())).toContain('loop_detected');
  });

  test('an abort cancels down the tree', async () => {
    const stopped: string[] = [];
    const started = { leaf: false };
    const waitFor = (name: string, signal: AbortSignal) =>
      new Promise((_, reject) => {
        started.leaf = true;
        signal.addEventListener('abort', () => {
          stopped.push(name);
          reject(new Error('stopped'));
        });
      });
    const slow = await mesh.connect('slow');
    await slow.serve('stop.leaf', (_: unknown, ctx) => waitFor('leaf', ctx.signal));
    await agent.serve('stop.top', (_: unknown, ctx) => ctx.call('stop.leaf', {}));
    const abort = new AbortController();
    const outcome = codeOf(caller.call('stop.top', {}, { signal: abort.signal }));
    await until(() => started.leaf);
    abort.abort();
    expect(await outcome).toBe('cancelled cancelled');
    expect(stopped).toEqual(['leaf']);
  });
});

describe('waiting', () => {
  test('a call for a capability without a live agent waits, is parked, and is served when one comes', async () => {
    const late = await mesh.connect('late');
    await late.serve('late.work', () => ({ done: true }));
    await late.close();
    const pending = caller.call('late.work', {}, { timeoutMs: 20_000 });
    await until(
      async () =>
        (await mesh.operator.request('$JS.API.STREAM.INFO.PARKED', '')).json<{
          state: { messages: number };
        }>().state.messages > 0,
    );
    const back = await mesh.connect('late');
    await back.serve('late.work', () => ({ done: 'late' }));
    expect(await pending).toEqual({ done: 'late' });
  });

  test('and expires at its deadline when none comes', async () => {
    const gone = await mesh.connect('gone');
    await gone.serve('gone.work', () => ({}));
    await gone.close();
    expect(await codeOf(caller.call('gone.work', {}, { timeoutMs: 2_500 }))).toBe('expired no_agent');
  });

  test('one busy capability does not hold up another', async () => {
    const one = await mesh.connect('busy', { concurrency: 1 });
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    await one.serve('busy.work', async () => (await held, { ok: true }));
    const many = Array.from({ length: 50 }, () => caller.call('busy.work', {}, { timeoutMs: 30_000 }));
    const began = performance.now();
    await caller.call('greet.hello', { name: 'bob' });
    expect(performance.now() - began).toBeLessThan(5_000);
    release();
    expect(await Promise.all(many)).toHaveLength(50);
  });
});

/**
 * `mesh call --stream | --detach` and `mesh calls wait | watch | cancel`, with the real command.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newCallId } from '../../src/agent/index.js';
import type { CallsPage } from '../../src/control/views/pages.js';
import { mesh as command, type Ran } from '../support/command.js';
import { startTestMesh, type TestMesh } from '../support/mesh.js';

let mesh: TestMesh;

beforeAll(async () => {
  mesh = await startTestMesh({ users: { me: 'caller', you: 'caller', worker: 'agent' } });
  const worker = await mesh.connect('worker');
  await worker.serveAll([
    {
      name: 'count.up',
      options: {},
      handler: async (_: never, ctx) => {
        for (let i = 1; i <= 3; i++) {
          await ctx.progress({ i });
        }
        return 'done';
      },
    },
    { name: 'wait.long', options: {}, handler: (_: never, ctx) => stopped(ctx.signal) },
    { name: 'ask.back', options: {}, handler: (_: never, ctx) => ctx.ask('why?') },
  ]);
});
afterAll(() => mesh.stop());

function stopped(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error));
  });
}

interface Lines extends Ran {
  readonly lines: string[];
}

async function run(...args: string[]): Promise<Lines> {
  const done = await command(args, { on: mesh });
  return { ...done, lines: done.out.trim().split('\n') };
}

const parsed = (ran: Lines): unknown[] => ran.lines.map((line) => JSON.parse(line) as unknown);

test('partial outputs are printed as they come, the outcome last', async () => {
  const plain = await run('call', 'count.up', '--stream');
  expect(plain).toMatchObject({ code: 0, lines: ['{"i":1}', '{"i":2}', '{"i":3}', '"done"'] });
  const json = parsed(await run('call', 'count.up', '--stream', '--json'));
  expect(json.slice(0, 3)).toEqual([1, 2, 3].map((i) => ({ part: i, attempt: 1, value: { i } })));
  expect(json[3]).toMatchObject({ status: 'completed', value: 'done' });
});

test('a detached call gives its id; wait gives its outcome, to its caller only', async () => {
  const { code, lines } = await run('call', 'count.up', '--detach');
  expect(code).toBe(0);
  const id = lines[0] ?? '';
  expect(await run('calls', 'wait', id)).toMatchObject({ code: 0, lines: ['"done"'] });
  const other = await mesh.connect('you');
  await expect(other.wait(id, 20_000)).rejects.toMatchObject({ code: 'not_found' });
});

test('watch reads the parts of a detached call from the first unread one on', async () => {
  const { lines } = await run('call', 'count.up', '--detach', '--stream', '--json');
  const { call } = JSON.parse(lines[0] ?? '') as { call: string };
  const watched = await run('calls', 'watch', call);
  expect(watched).toMatchObject({ code: 0, lines: ['{"i":1}', '{"i":2}', '{"i":3}', '"done"'] });
});

test('cancel stops a call and tells how it ended', async () => {
  const { lines } = await run('call', 'wait.long', '--detach', '--timeout', '60000');
  const id = lines[0] ?? '';
  expect(await run('calls', 'wait', id, '--timeout', '300')).toMatchObject({ code: 4 });
  expect(await run('calls', 'cancel', id)).toMatchObject({ code: 0, lines: ['cancelled'] });
  expect(await run('calls', 'cancel', id)).toMatchObject({ code: 0, lines: ['cancelled'] });
});

test('without a terminal nobody is asked, and the handler is told so', async () => {
  const { code, lines } = await run('call', 'ask.back', '--json');
  expect(code).toBe(1);
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ status: 'failed', error: { code: 'handler_failed' } });
});

test('bad ids and times are told apart', async () => {
  expect(await run('calls', 'wait', 'nonsense', '--json')).toMatchObject({ code: 3 });
  expect((await run('calls', 'wait', newCallId(), '--timeout', 'soon')).code).toBe(2);
});

test('calls are found by their context', async () => {
  await run('call', 'count.up', '--context', 'order-7');
  const { lines } = await run('calls', 'ls', '--context', 'order-7', '--json');
  const { calls } = JSON.parse(lines[0] ?? '') as CallsPage;
  expect(calls.map((row) => [row.capability, row.context])).toEqual([['count.up', 'order-7']]);
});

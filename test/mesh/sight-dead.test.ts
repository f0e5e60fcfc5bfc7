/**
 * A collector that is dead, or never answers, slows nothing; and a log that tells of calls tells no secrets.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { newCallId } from '../../src/agent/index.js';
import { limits } from '../../src/wire/limits.js';
import { traceIdOf } from '../../src/wire/trace.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const ENDPOINT = 'OTEL_EXPORTER_OTLP_ENDPOINT';

/** Takes connections and says nothing. */
const mute = createServer(() => undefined);
await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
const address = mute.address();
process.env[ENDPOINT] = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
process.env['MESH_TRACE_RATIO'] = '1';

afterAll(() => {
  delete process.env[ENDPOINT];
  delete process.env['MESH_TRACE_RATIO'];
  mute.close();
});

async function work(mesh: TestMesh): Promise<number> {
  const agent = await mesh.connect('worker', { concurrency: 64 });
  await agent.serve('work.do', (body: unknown) => body);
  const me = await mesh.connect('me');
  const began = performance.now();
  for (let i = 0; i < 40; i++) {
    await Promise.all(Array.from({ length: 50 }, (_, n) => me.call('work.do', { n, hidden: 'hunter2' })));
  }
  return performance.now() - began;
}

test('calls go on, drops are counted, and the end does not wait', async () => {
  const users = { me: 'caller', worker: 'agent' } as const;
  const traced = await startTestMesh({ users, sight: { ratio: 1 } });
  const tracedMs = await work(traced);
  let text = '';
  // The caller hears of an outcome before its gateway has counted it.
  await until(async () => {
    text = (await traced.gateways[0]?.sight.metrics())?.text ?? '';
    return text.includes('outcome="completed",service="gateway"} 2000');
  });
  const spans = (result: string): number =>
    Number(new RegExp(`mesh_spans_total{result="${result}".*} (\\d+)`).exec(text)?.[1]);
  expect(spans('exported')).toBe(0);
  expect(spans('dropped')).toBeGreaterThan(0);
  const closing = performance.now();
  await traced.stop();
  // Agent, caller and gateway each wait a bounded time for their last spans.
  expect(performance.now() - closing).toBeLessThan(4 * limits.exportFlushMs + 2_000);

  delete process.env[ENDPOINT];
  const plain = await startTestMesh({ users, sight: { on: false } });
  const plainMs = await work(plain);
  await plain.stop();
  expect(tracedMs).toBeLessThan(3 * plainMs + 500); // all in one process; the bench measures it properly
});

test('a log line of a call has its ids, and nothing that was entrusted to the mesh', async () => {
  const mesh = await startTestMesh({ users: { me: 'caller', worker: 'agent' }, gateways: 0 });
  const args = ['gateway', '--data', mesh.dir, '--url', mesh.url];
  const child = spawn(process.execPath, ['bin/mesh.js', ...args, '--log', 'debug', '--json'], { cwd: root });
  let ready = '';
  let log = '';
  child.stdout.on('data', (chunk: Buffer) => (ready += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const said = await until(() => ready.includes('\n') && (JSON.parse(ready) as { metrics: string }));
  expect((await fetch(`${said.metrics}/readyz`)).status).toBe(200);
  expect((await fetch(`${said.metrics}/nothing`)).status).toBe(404);
  expect((await fetch(`${said.metrics}/metrics`, { method: 'POST' })).status).toBe(405);
  const agent = await mesh.connect('worker');
  await agent.serve('work.do', () => {
    throw new Error('hunter3');
  });
  const me = await mesh.connect('me');
  const id = newCallId();
  await expect(me.call('work.do', { hidden: 'hunter2' }, { id })).rejects.toMatchObject({
    code: 'handler_failed',
  });
  const line = await until(() => log.split('\n').find((one) => one.includes(id)));
  expect(JSON.parse(line)).toMatchObject({
    call: `me.${id}`,
    root: `me.${id}`,
    trace: traceIdOf(id),
    capability: 'work.do',
    status: 'failed',
    code: 'handler_failed',
    msg: 'settled',
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
  const { seed } = JSON.parse(readFileSync(join(mesh.dir, 'creds', 'gateway.json'), 'utf8')) as {
    seed: string;
  };
  for (const secret of [seed, 'hunter2', 'hunter3', '_k.', '"kid"']) {
    expect(log).not.toContain(secret);
  }
  await mesh.stop();
});

test.each([[['--log', 'loud']], [['--metrics', 'somewhere']], [['--trace-ratio', '7']]])(
  'wrong options are a mistake of use: %j',
  async (wrong) => {
    const mesh = await startTestMesh();
    for (const command of ['gateway', 'up']) {
      const where = command === 'up' ? [] : ['--url', mesh.url];
      const child = spawn(
        process.execPath,
        ['bin/mesh.js', command, '--data', mesh.dir, ...where, ...wrong, '--json'],
        { cwd: root },
      );
      let out = '';
      child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
      const code = await new Promise((resolve) => child.once('close', resolve));
      expect([code, (JSON.parse(out) as { error: { code: string } }).error.code]).toEqual([2, 'usage']);
    }
    await mesh.stop();
  },
);

/**
 * What a mesh shows: the pages of metrics and health, the log, `mesh trace`, `mesh top`, `mesh graph`.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TrafficPage } from '../../src/control/views/traffic-page.js';
import type { MeshError } from '../../src/wire/errors.js';
import { traceIdOf } from '../../src/wire/trace.js';
import { mesh as command, type Ran } from '../support/command.js';
import { until, type TestMesh } from '../support/mesh.js';
import { liveADay, SLEEPER, SLEEP_MS, startTown, STEPS } from '../support/town.js';
import { ask } from '../support/views.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

let mesh: TestMesh;
let chainCall: string;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'capmesh-sight-'));
  mesh = await startTown();
  chainCall = await liveADay(mesh);
});
afterAll(async () => {
  await mesh.stop();
  rmSync(folder, { recursive: true, force: true });
});

const run = (args: readonly string[], env = {}): Promise<Ran> => command(args, { on: mesh, env });

interface TraceFacts {
  readonly root: string;
  readonly slowest: { readonly hop: string; readonly agent: string; readonly ms: number };
  readonly calls: readonly {
    readonly capability: string;
    readonly depth: number;
    readonly trace: string;
    readonly refusedBy?: string;
    readonly guardUs?: Readonly<Record<string, number>>;
    readonly hops: Readonly<Record<string, number>>;
  }[];
}

describe('mesh trace', () => {
  test('names the slow hop of a chain of eight in which one sleeps', async () => {
    const { code, out } = await run(['trace', chainCall, '--json']);
    expect(code).toBe(0);
    const { slowest, calls, root: top } = JSON.parse(out) as TraceFacts;
    expect(calls.map(({ capability }) => capability)).toEqual(
      Array.from({ length: STEPS }, (_, i) => `chain.s${i + 1}`),
    );
    expect(calls.map(({ depth }) => depth)).toEqual([...calls.keys()]);
    expect(slowest).toMatchObject({ hop: 'own', agent: `step-${SLEEPER}` });
    expect(slowest.ms).toBeGreaterThan(SLEEP_MS * 0.9);
    expect(top).toBe(`me.${chainCall}`);
    expect(new Set(calls.map(({ trace }) => trace))).toEqual(new Set([traceIdOf(chainCall)]));
    const said = await run(['trace', `me.${chainCall}`]);
    expect(said.out).toContain(`Slowest: chain.s${SLEEPER} by step-${SLEEPER}, its own work`);
  });

  test('tells the verdict of each guard', async () => {
    const { calls } = JSON.parse((await run(['calls', 'ls', '--status', 'refused', '--json'])).out) as {
      calls: { call: string }[];
    };
    const { out } = await run(['trace', calls[0]?.call ?? '', '--json']);
    const [refused] = (JSON.parse(out) as TraceFacts).calls;
    expect(refused?.refusedBy).toBe('granted');
    expect(Object.keys(refused?.guardUs ?? {})).toEqual(['decode', 'ticket', 'deadline', 'loop', 'granted']);
  });

  test('--below shows one branch', async () => {
    const whole = JSON.parse((await run(['trace', chainCall, '--json'])).out) as {
      calls: { call: string; capability: string }[];
    };
    const third = whole.calls.find(({ capability }) => capability === 'chain.s3')?.call ?? '';
    const { out } = await run(['trace', third, '--below', '--json']);
    expect((JSON.parse(out) as TraceFacts).calls).toHaveLength(STEPS - 2);
  });

  test('of a call that nobody knows is an error with a code', async () => {
    const { code, out } = await run(['trace', '01arz3ndektsv4rrffq69g5fav', '--json']);
    expect([code, (JSON.parse(out) as { error: { code: string } }).error.code]).toEqual([1, 'not_found']);
  });
});

describe('mesh top', () => {
  test('counts who calls what and who does it, also for a viewer', async () => {
    const { code, out } = await run(['top', '--once', '--json', '--seconds', '600', '--as', 'operator']);
    expect(code).toBe(0);
    const page = JSON.parse(out) as TrafficPage;
    const row = (from: string, capability: string) =>
      page.rows.find((one) => one.from === from && one.capability === capability);
    expect(row('web', 'order.place')).toMatchObject({ agent: 'shop', calls: 20, errors: 0 });
    expect(row('shop', 'mail.send')).toMatchObject({ agent: 'mail', calls: 20, errors: 20 });
    expect(row('web', 'chain.s1')).toMatchObject({ calls: 1, refused: 1 });
    expect(row('web', 'chain.s1')?.agent).toBeUndefined();
    expect(row('step-4', `chain.s${SLEEPER}`)?.p50Ms).toBeGreaterThan(SLEEP_MS * 0.9);
    expect(page.agents.find(({ agent }) => agent === 'idler')).toMatchObject({ instances: 1, calls: 0 });
    const viewer = await mesh.broker('vera');
    const seen = await ask<TrafficPage>(viewer, 'view.vera.traffic', { seconds: 600 });
    expect(seen.rows).toHaveLength(page.rows.length);
  });

  test('tells what waits, budgets that are near their limits, and breakers', async () => {
    const me = await mesh.connect('me');
    const enough = new AbortController();
    const waiting = Array.from({ length: 3 }, () =>
      me
        .call('ghost.work', {}, { priority: 'batch', timeoutMs: 60_000, signal: enough.signal })
        .catch((err: unknown) => (err as MeshError).code),
    );
    expect((await run(['breakers', 'open', 'mail', 'mail.send'])).code).toBe(0);
    const viewer = await mesh.broker('vera');
    const look = () => ask<TrafficPage>(viewer, 'view.vera.traffic', { seconds: 600 });
    const held = await until(async () => (await look()).waits.find((row) => row.held === 3));
    expect(held).toMatchObject({ capability: 'ghost.work', priority: 'batch', turns: 0, approval: 0 });
    const page = await until(async () => {
      const now = await look();
      return now.waits[0]?.parked === 3 && now.waits[0].held === 0 && now.budgets.length > 0 && now;
    });
    expect(page.waits).toHaveLength(1);
    expect(page.budgets[0]).toMatchObject({ unit: 'micros', state: 'warn' });
    expect(page.budgets[0]?.key).toContain('principal.web.day.');
    expect(page.budgets[0]?.percent).toBeGreaterThanOrEqual(10);
    expect(page.breakers).toMatchObject([{ agent: 'mail', capability: 'mail.send', state: 'open' }]);
    const narrow = { COLUMNS: '40', NO_COLOR: '1', TERM: 'dumb' };
    const { out } = await run(['top', '--once', '--seconds', '600'], narrow);
    for (const text of [
      'ghost.work batch',
      '  parked 3, oldest',
      'principal.web.day',
      'warn, ',
      'mail mail.send',
    ]) {
      expect(out).toContain(text);
    }
    expect(out.split('\n').filter((line) => line.length > 40)).toEqual([]);
    enough.abort();
    expect(await Promise.all(waiting)).toEqual(['cancelled', 'cancelled', 'cancelled']);
    expect((await run(['breakers', 'close', 'mail', 'mail.send'])).code).toBe(0);
    await until(async () => (await look()).waits.length === 0);
  });

  test('looks back no further than asked', async () => {
    const viewer = await mesh.broker('vera');
    await mesh.connect('me').then((me) => me.call('stock.query', {}));
    let calls = -1;
    await until(async () => {
      ({ calls } = await ask<TrafficPage>(viewer, 'view.vera.traffic', { seconds: 1 }));
      return calls === 0;
    });
    expect(calls).toBe(0);
  });

  test('without a terminal and without --once it prints one picture after the other', async () => {
    const child = execFile(
      process.execPath,
      ['bin/mesh.js', 'top', '--every', '1', '--data', mesh.dir, '--url', mesh.url],
      { cwd: root },
    );
    let said = '';
    child.stdout?.on('data', (chunk: string) => (said += chunk));
    await until(() => said.split('queues:').length > 2);
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGINT');
    expect(await ended).toBe(0);
    expect(said).not.toContain('\u001b');
  });
});

test.each([
  ['trace', (): string[] => ['trace', chainCall]],
  ['top', (): string[] => ['top', '--once', '--seconds', '600']],
])('mesh %s fits into 40 columns and needs no colour', async (_, args) => {
  const { code, out } = await run(args(), { COLUMNS: '40', NO_COLOR: '1', TERM: 'dumb' });
  expect(code).toBe(0);
  expect(out).not.toContain('\u001b');
  expect(out.split('\n').filter((line) => line.length > 40)).toEqual([]);
});

describe('mesh graph', () => {
  test('draws SVG and DOT', async () => {
    const file = join(folder, 'mesh.svg');
    expect((await run(['graph', '--out', file])).code).toBe(0);
    const svg = readFileSync(file, 'utf8');
    expect(svg).toMatch(/^<svg xmlns/);
    expect(svg).not.toMatch(/NaN|undefined/);
    expect(svg).toContain('web → order.place → shop: 20 calls');
    const { out } = await run(['graph']);
    expect(out).toContain('"web" -> "shop":p0 [label="20"');
    const there = await run(['graph', '--out', join(folder, 'no', 'such', 'file.svg'), '--json']);
    expect((JSON.parse(there.out) as { error: { code: string } }).error.code).toBe('usage');
  });
});

describe('the pages of a process', () => {
  test('metrics of the gateway count calls, hops and guards', async () => {
    const { text, type } = (await mesh.gateways[0]?.sight.metrics()) ?? { text: '', type: '' };
    expect(type).toContain('text/plain');
    expect(text).toContain(
      'mesh_calls_total{from="web",capability="order.place",agent="shop",outcome="completed",service="gateway"} 20',
    );
    expect(text).toMatch(/mesh_calls_total\{from="web",capability="chain.s1",agent="none",outcome="refused"/);
    for (const hop of ['queue', 'decide', 'work', 'settle']) {
      expect(
        Number(new RegExp(`mesh_hop_seconds_count{hop="${hop}".*} (\\d+)`).exec(text)?.[1]),
      ).toBeGreaterThan(99);
    }
    expect(text).toMatch(/mesh_guard_seconds_count\{guard="granted".*\} [1-9]/);
    expect(text).toMatch(/mesh_live_instances\{.*\} 13/);
    expect(text).toMatch(/mesh_stream_fill_percent\{stream="DECISIONS"/);
    expect(text).toMatch(/nodejs_eventloop_lag_p99_seconds/);
  });

  test('metrics of control tell leases, streams and what is parked', async () => {
    const { text } = await mesh.control.sight.metrics();
    expect(text).toContain('mesh_live_instances{agent="idler",service="control"} 1');
    expect(text).toContain('mesh_parked_calls{service="control"} 0');
    expect(text).toMatch(/mesh_stream_messages\{stream="DECISIONS",service="control"\} \d\d+/);
    expect(text).toContain('mesh_leads{service="control"} 1');
  });

  test('capabilities that nobody has do not use up the names', async () => {
    const me = await mesh.connect('me');
    await Promise.all(Array.from({ length: 20 }, (_, i) => me.call(`junk.n${i}`, {}).catch(() => undefined)));
    const other = 'mesh_calls_total{from="me",capability="other",agent="none",outcome="refused"';
    // A caller hears of an outcome as soon as it is stored, a gateway counts it when it knows that.
    const text = await until(async () => {
      const page = await mesh.gateways[0]?.sight.metrics();
      return page?.text.includes(other) === true && page.text;
    });
    expect(text).not.toContain('junk');
  });

  test('not ready while the server is away', async () => {
    expect(mesh.gateways[0]?.sight.missing()).toEqual([]);
    expect(mesh.control.sight.missing()).toEqual([]);
    await mesh.server.stop();
    await until(() => (mesh.gateways[0]?.sight.missing().length ?? 0) > 0);
    await until(() => mesh.control.sight.missing().length > 0);
  });
});

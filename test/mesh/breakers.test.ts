/**
 * Breakers with two gateways: agents that fail get no calls until a probe went well, and nobody opens them for others.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Mesh } from '../../src/agent/index.js';
import type { BreakerRecord } from '../../src/domain/care/breaker.js';
import { readBreakers } from '../../src/fabric/breaker-store.js';
import { Operator } from '../../src/cli/operator.js';
import type { BreakersPage } from '../../src/control/views/breaker-page.js';
import type { ParkedPage } from '../../src/control/views/pages.js';
import type { MeshError } from '../../src/wire/errors.js';
import { silent } from '../../src/wire/log.js';
import { pace, startTestMesh, until, type TestMesh } from '../support/mesh.js';

let mesh: TestMesh;
const callers = new Map<string, Mesh>();
const names = ['me', 'hostile', 'c1', 'c2', 'c3', 'c4'];
/** Agents that fail now, and how often each worked. */
const broken = new Set<string>();
const worked = new Map<string, number>();
/** What control and gateways warned of. */
const warned: object[] = [];
let running = 0;
let mostRunning = 0;

const of = (name: string): Mesh => callers.get(name) as Mesh;
const told = (from: string, what: string, body: unknown = null, timeoutMs = 5_000): Promise<string> =>
  of(from)
    .call<string>(what, body, { timeoutMs })
    .catch((err: unknown) => (err as MeshError).code);

async function serve(agent: string, what: string, idempotent = false): Promise<void> {
  const sdk = await mesh.connect(agent, { concurrency: 8 });
  await sdk.serve(what, { idempotent }, async (body) => {
    worked.set(agent, (worked.get(agent) ?? 0) + 1);
    mostRunning = Math.max(mostRunning, ++running);
    await pace(2);
    running--;
    if (broken.has(agent) || body === 'fail') {
      throw new Error('broken');
    }
    return agent;
  });
}

async function storm(from: readonly string[], what: string, calls: number): Promise<string[]> {
  const said: string[] = [];
  for (let i = 0; i < calls; i++) {
    said.push(await told(from[i % from.length] ?? '', what));
  }
  return said;
}

async function breakers(): Promise<Map<string, BreakerRecord>> {
  return await readBreakers<BreakerRecord>(mesh.operator);
}

beforeAll(async () => {
  const agents = [
    'good',
    'bad',
    'lone',
    'other',
    'shared',
    'target',
    'slow',
    'b1',
    'b2',
    'steady',
    'odd',
    'even',
  ];
  mesh = await startTestMesh({
    log: { ...silent, warn: (facts) => void warned.push(facts) },
    users: {
      ...Object.fromEntries(names.map((name) => [name, 'caller' as const])),
      ...Object.fromEntries(agents.map((name) => [name, 'agent' as const])),
    },
    policy: {
      version: 1,
      roles: { root: { call: ['>'], mayRoot: true }, agent: { serve: ['>'] } },
      members: {
        ...Object.fromEntries(names.map((name) => [name, ['root']])),
        ...Object.fromEntries(agents.map((name) => [name, ['agent']])),
      },
      routing: { '>': 'round-robin' },
      breakers: {
        'lone.first': { minimum: 4, open: 60_000, openMax: 60_000, fallback: 'other.second' },
        'slow.work': { minimum: 4, open: 60_000, openMax: 60_000, slow: 50, slowShare: 60, park: true },
        'steady.work': { minimum: 4, open: 60_000, openMax: 60_000, window: 60_000 },
        'odd.work': { fallback: 'even.work' },
        '>': { minimum: 4, open: 300, openMax: 600, ramp: 300, window: 5_000 },
      },
    },
    gateways: 2,
  });
  for (const name of names) {
    callers.set(name, await mesh.connect(name));
  }
  await serve('good', 'pair.work');
  await serve('bad', 'pair.work');
  await serve('lone', 'lone.first');
  await serve('other', 'other.second');
  await serve('shared', 'shared.work');
  await serve('target', 'target.work');
});
afterAll(() => mesh.stop());

describe('an agent that fails', () => {
  test('gets no calls any more, of all callers and at all gateways; healed, it gets them again', async () => {
    broken.add('bad');
    const everybody = ['c1', 'c2', 'c3', 'c4'];
    const said = await storm(everybody, 'pair.work', 120);
    expect(worked.get('bad')).toBeLessThan(30);
    expect(said.filter((one) => one === 'good').length).toBeGreaterThan(90);
    expect((await breakers()).get('any.bad.pair.work')?.state).toMatch(/^(?:open|half-open)$/);
    broken.delete('bad');
    await until(async () => (await storm(everybody, 'pair.work', 8)).includes('bad'));
    await until(async () => [...(await breakers()).values()].every(({ state }) => state === 'closed'));
  });

  test('whoever is refused is told when to come again', async () => {
    broken.add('shared');
    await storm(['c1', 'c2', 'c3', 'c4'], 'shared.work', 24);
    const err = await until(async () => {
      const said = await of('me')
        .call('shared.work')
        .then(
          () => undefined,
          (e: unknown) => e as MeshError,
        );
      return said?.code === 'breaker_open' ? said : undefined;
    });
    expect(err).toMatchObject({ retry: 'later', status: 'refused', details: { agents: 'shared' } });
    expect(err.details['retry_after_ms']).toBeGreaterThanOrEqual(200);
    // Many ask at once for one that is half-open: one of them is the probe.
    mostRunning = 0;
    const before = worked.get('shared') ?? 0;
    const began = Date.now();
    const probes = (): number => (worked.get('shared') ?? 0) - before;
    await until(async () => {
      await Promise.all(['me', 'c1', 'c2', 'c3', 'c4'].map((from) => told(from, 'shared.work', null, 500)));
      return Date.now() - began >= 700 && probes() >= 1;
    });
    expect(probes()).toBeLessThanOrEqual(Math.max(6, (Date.now() - began) / 100));
    expect(mostRunning).toBe(1);
    broken.delete('shared');
    for (const from of ['me', 'c1', 'c2', 'c3', 'c4']) {
      await until(async () => (await told(from, 'shared.work')) === 'shared');
    }
  });
});

test('a hostile caller, and an agent that fails for it on purpose, open it for that caller alone', async () => {
  const said: string[] = [];
  for (let i = 0; i < 40; i++) {
    said.push(await told('hostile', 'target.work', 'fail'));
    expect(await told(`c${1 + (i % 4)}`, 'target.work')).toBe('target');
  }
  expect(said).toContain('breaker_open');
  const open = [...(await breakers())].filter(([, { state }]) => state !== 'closed').map(([key]) => key);
  expect(open.filter((key) => key.includes('.target.'))).toEqual(['p_hostile.target.target.work']);
});

test('when all agents are out the call goes to the fallback, and the record says so', async () => {
  broken.add('lone');
  await until(async () => (await told('me', 'lone.first')) === 'other');
  expect((await storm(['me'], 'lone.first', 6)).every((one) => one === 'other')).toBe(true);
});

test('or it is parked, and goes on when an operator closes the breaker', async () => {
  const sdk = await mesh.connect('slow');
  let pauseMs = 80;
  await sdk.serve('slow.work', async () => {
    await pace(pauseMs);
    return 'done';
  });
  await storm(['me'], 'slow.work', 3);
  const key = 'p_me.slow.slow.work';
  const opened = await until(async () => {
    await told('me', 'slow.work', null, 400);
    return (await breakers()).get(key);
  });
  expect(opened).toMatchObject({ state: 'open', why: { bad: 0 } });
  pauseMs = 0;
  const waits = told('me', 'slow.work', null, 20_000);
  const operator = await Operator.open({ data: mesh.dir, url: mesh.url });
  try {
    await until(async () => (await operator.view<ParkedPage>('parked', {})).parked.length > 0);
    const command = { agent: 'slow', capability: 'slow.work', breaker: 'closed' } as const;
    expect(await operator.command('breaker', command)).toMatchObject({ changed: 1 });
    expect(await waits).toBe('done');
  } finally {
    await operator.close();
  }
});

test('an agent that was well for long is out after as many failures in a row as the minimum', async () => {
  await serve('steady', 'steady.work');
  for (let i = 0; i < 10; i++) {
    await Promise.all(Array.from({ length: 20 }, () => told('me', 'steady.work')));
  }
  expect(worked.get('steady')).toBe(200);
  broken.add('steady');
  await until(async () => (await told('me', 'steady.work')) === 'breaker_open');
  // Each of the two gateways has to see it. By the share it would take two hundred.
  expect(worked.get('steady')).toBeLessThanOrEqual(208);
  expect(await told('c1', 'steady.work')).toBe('handler_failed');
});

test('a fallback that nobody offers, or with another contract, is told before it is needed', async () => {
  const operator = await Operator.open({ data: mesh.dir, url: mesh.url });
  const about = { capability: 'odd.work', major: 1, fallback: 'even.work' };
  const idle = async (): Promise<unknown> =>
    (await operator.view<BreakersPage>('breakers', { pattern: 'odd.*' })).idleFallbacks;
  try {
    expect(await idle()).toBeUndefined();
    await serve('odd', 'odd.work', true);
    await until(async () => Array.isArray(await idle()));
    expect(await idle()).toEqual([{ ...about, why: 'unserved' }]);
    await until(() => warned.some((facts) => (facts as { why?: string }).why === 'unserved'));
    await serve('even', 'even.work');
    const other = { ...about, why: 'contract', differs: ['idempotent'] };
    await until(async () => JSON.stringify(await idle()) === JSON.stringify([other]));
    expect((await mesh.control.sight.metrics()).text).toMatch(/mesh_idle_fallbacks\S* 1\n/);
    await until(() => warned.some((facts) => (facts as { why?: string }).why === 'contract'));
    expect(warned.filter((facts) => 'fallback' in facts)).toEqual([{ ...about, why: 'unserved' }, other]);
  } finally {
    await operator.close();
  }
});

describe('an operator', () => {
  test('opens one for all, which stays open and says who wants it, until it is closed', async () => {
    const operator = await Operator.open({ data: mesh.dir, url: mesh.url });
    try {
      const about = { agent: 'shared', capability: 'shared.work' } as const;
      await operator.command('breaker', { ...about, breaker: 'open', why: 'it is moved' });
      await until(async () => (await told('c1', 'shared.work')) === 'breaker_open');
      const { breakers: rows } = await operator.view<BreakersPage>('breakers', { pattern: 'shared.*' });
      const all = rows.find(({ principal }) => principal === undefined);
      expect(all).toMatchObject({ state: 'open', forced: { by: 'operator', why: 'it is moved' } });
      await operator.command('breaker', { ...about, breaker: 'closed' });
      await until(async () => (await told('c1', 'shared.work')) === 'shared');
      const nobody = { agent: 'shared', capability: 'no.such', breaker: 'open' } as const;
      await expect(operator.command('breaker', nobody)).rejects.toMatchObject({ code: 'not_found' });
      await expect(operator.command('breaker', about)).rejects.toMatchObject({ code: 'schema_violation' });
    } finally {
      await operator.close();
    }
  });
});

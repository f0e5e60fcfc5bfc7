/**
 * What `nats micro` sees (ADR-32): every live instance, with numbers that are true, and nobody under a borrowed name.
 * The real command is asked in `test/interop`.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newCallId, type Mesh } from '../../src/agent/index.js';
import type { NatsConnection } from '../../src/fabric/connection.js';
import { readUsers } from '../../src/fabric/users.js';
import { heard, publishing, say, settled, subscribing, type Attack } from '../support/hostile.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';

interface Endpoint {
  readonly name: string;
  readonly subject: string;
  readonly num_requests: number;
  readonly num_errors: number;
  readonly last_error: string;
  readonly processing_time: number;
  readonly average_processing_time: number;
}

interface Answer {
  readonly type: string;
  readonly name: string;
  readonly id: string;
  readonly version: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly endpoints: readonly Endpoint[];
}

let mesh: TestMesh;
let shop: Mesh;
let alice: Mesh;
let evil: NatsConnection;
let control: NatsConnection;
let victim: NatsConnection;
let ticks = 0;

beforeAll(async () => {
  mesh = await startTestMesh({
    users: { alice: 'caller', shop: 'agent', clock: 'agent', evil: 'agent' },
  });
  shop = await mesh.connect('shop', { description: 'sells\u001b[2J things' });
  alice = await mesh.connect('alice');
  [evil, control, victim] = (await Promise.all(['evil', 'control', 'shop'].map((n) => mesh.broker(n)))) as [
    NatsConnection,
    NatsConnection,
    NatsConnection,
  ];
  await shop.serveAll([
    { name: 'shop.query', options: { version: '1.2', idempotent: true }, handler: () => ({ ok: true }) },
    {
      name: 'shop.order',
      options: {},
      handler: () => {
        throw new Error('sold\u001b[31m out');
      },
    },
    { name: 'shop.never', options: {}, handler: () => ({}) },
  ]);
  await plainClock();
});
afterAll(() => mesh.stop());

/** A responder that knows nothing of the mesh. */
async function plainClock(): Promise<void> {
  const user = readUsers(mesh.dir).find(({ name }) => name === 'clock')?.publicKey;
  const card = { concurrency: 4, capabilities: [{ name: 'clock.now', version: '1.0' }] };
  const body = JSON.stringify({ agent: 'clock', user, card });
  const reply = await mesh.operator.request('mesh.v1.admin.operator.plain', body, { timeout: 5_000 });
  const [task] = reply.json<{ subjects: { subject: string }[] }>().subjects;
  const nc = await mesh.broker('clock');
  nc.subscribe(task?.subject ?? '', {
    queue: 'mesh',
    callback: (_err, msg) => void msg.respond(JSON.stringify({ ticks: ++ticks })),
  });
  await alice.call('clock.now');
}

/** All answers to one request, until as many have come as are expected. */
async function ask(subject: string, expected: number): Promise<Answer[]> {
  const inbox = `_INBOX.operator.${newCallId()}`;
  const got: Answer[] = [];
  const sub = mesh.operator.subscribe(inbox, {
    callback: (_err, msg) => void got.push(msg.json<Answer>()),
  });
  mesh.operator.publish(subject, '', { reply: inbox });
  await until(() => got.length >= expected);
  await settled(control, mesh.operator);
  sub.unsubscribe();
  return got;
}

const rows = (endpoints: readonly Endpoint[]) =>
  Object.fromEntries(endpoints.map((e) => [e.name, [e.num_requests, e.num_errors, e.last_error]]));

describe('ping and info', () => {
  test('every live instance answers once, by name, and by id', async () => {
    const all = await ask('$SRV.PING', 2);
    expect(all.map(({ name }) => name).sort()).toEqual(['clock', 'shop']);
    expect(all.every(({ type }) => type === 'io.nats.micro.v1.ping_response')).toBe(true);
    expect(await ask('$SRV.PING.shop', 1)).toMatchObject([{ name: 'shop', id: shop.instance }]);
    const again = await mesh.connect('shop');
    await again.serve('shop.query', { version: '1.2', idempotent: true }, () => ({}));
    expect(await ask('$SRV.PING.shop', 2)).toHaveLength(2);
    expect(await ask(`$SRV.PING.shop.${again.instance}`, 1)).toMatchObject([{ id: again.instance }]);
    await again.close();
    await until(async () => (await ask('$SRV.PING.shop', 1)).length === 1);
    await shop.serve('shop.never', () => ({})); // its card again: the last hello counts
  });

  test('capabilities are endpoints, with the subject to ask them on', async () => {
    const [info] = await ask('$SRV.INFO.shop', 1);
    expect(info).toMatchObject({
      type: 'io.nats.micro.v1.info_response',
      description: 'sells [2J things',
      metadata: { state: 'ready', concurrency: '16' },
    });
    expect(info?.endpoints).toMatchObject([
      {
        name: 'shop-query',
        subject: 'mesh.v1.ask.*.shop.query',
        metadata: { capability: 'shop.query', version: '1.2', idempotent: 'true' },
      },
      { name: 'shop-order', metadata: { idempotent: 'false' } },
      { name: 'shop-never' },
    ]);
    expect(JSON.stringify(info), 'no task token is told').not.toContain('mesh.v1.task');
  });
});

describe('stats', () => {
  test('count what ran, what failed, and how long it took', async () => {
    for (let i = 0; i < 3; i++) {
      await alice.call('shop.query');
    }
    for (let i = 0; i < 2; i++) {
      await alice.call('shop.order').catch(() => undefined);
    }
    const [stats] = await ask(`$SRV.STATS.shop.${shop.instance}`, 1);
    expect(rows(stats?.endpoints ?? [])).toEqual({
      'shop-query': [3, 0, ''],
      'shop-order': [2, 2, 'sold [31m out'],
      'shop-never': [0, 0, ''],
    });
    const [query, , never] = stats?.endpoints ?? [];
    expect(query?.processing_time).toBeGreaterThan(0);
    expect(query?.average_processing_time).toBe(Math.round((query?.processing_time ?? 0) / 3));
    expect([never?.processing_time, never?.average_processing_time]).toEqual([0, 0]);
  });

  test('of an agent that tells none: none, and no zeros in their place', async () => {
    expect(ticks).toBeGreaterThan(0);
    expect(await ask('$SRV.STATS.clock', 1)).toMatchObject([
      { name: 'clock', id: 'plain', endpoints: [], metadata: { plain: 'true' } },
    ]);
  });

  test.each([
    ['what is not JSON', '{'],
    ['numbers that are none', '{"since":0,"capabilities":[{"name":"a","tasks":-1,"failed":0,"workedUs":0}]}'],
    ['more than anybody can have counted', `{"since":0,"capabilities":${'['.repeat(200_000)}`],
  ])('an instance that tells %s is shown without', async (_, body) => {
    await presentLiar(body);
    expect(await ask('$SRV.STATS.evil', 1)).toMatchObject([{ name: 'evil', endpoints: [] }]);
  });

  test('lies are told of oneself only, and stay within what can be read', async () => {
    const huge = Number.MAX_SAFE_INTEGER;
    const capabilities = [
      { name: 'evil.thing', tasks: 1, failed: huge, workedUs: huge },
      { name: 'shop.query', tasks: 0, failed: 0, workedUs: 0 },
    ];
    await presentLiar(JSON.stringify({ since: huge, capabilities }));
    const [stats] = await ask('$SRV.STATS.evil', 1);
    expect(stats?.endpoints.map(({ name }) => name)).toEqual(['evil-thing']);
    expect(Number.isSafeInteger(stats?.endpoints[0]?.processing_time)).toBe(true);
  });
});

let liar: string | undefined;

/** An agent of its own making that answers a measure with these bytes. */
async function presentLiar(body: string): Promise<void> {
  if (liar === undefined) {
    const instance = 'i-liar';
    const card = { concurrency: 1, capabilities: [{ name: 'evil.thing', version: '1.0' }] };
    evil.subscribe(`mesh.v1.measure.evil.*`, {
      callback: () => void say(evil, `mesh.v1.stats.evil.${instance}`, liar, { 'Mesh-Instance': instance }),
    });
    await evil.request(`mesh.v1.hello.evil.${instance}`, JSON.stringify(card), { timeout: 5_000 });
  }
  liar = body;
  const beat = JSON.stringify({ state: 'ready', inFlight: 0, concurrency: 1 });
  await say(evil, 'mesh.v1.beat.evil.i-liar', beat, { 'Mesh-Instance': 'i-liar' });
  await until(async () => (await ask('$SRV.PING.evil', 1)).length === 1);
}

describe('a hostile agent', () => {
  /** What an operator who asks is told, beyond the truth, while `act` runs. */
  const answered = async (act: (inbox: string) => Promise<void>): Promise<boolean> => {
    const inbox = `_INBOX.operator.${newCallId()}`;
    const got = await heard(mesh.operator, inbox, undefined, () => act(inbox));
    return got.length > 0;
  };

  const attacks = (): Attack[] => {
    const inst = shop.instance;
    const stats = `mesh.v1.stats.shop.${inst}`;
    return [
      publishing('a request to all services', evil, mesh.operator, control, () => '$SRV.PING'),
      publishing('the numbers of another', evil, victim, control, () => stats),
      publishing('a measure of another', evil, control, victim, () => `mesh.v1.measure.shop.${inst}`),
      subscribing('what operators ask services', evil, control, '$SRV.PING', (mark) =>
        say(mesh.operator, '$SRV.PING', JSON.stringify({ mark })),
      ),
      subscribing('the numbers of another', evil, control, stats, (mark) =>
        say(victim, stats, JSON.stringify({ mark })),
      ),
      {
        name: 'an answer in its own words',
        attempt: () => answered((inbox) => say(evil, inbox, '{"name":"shop"}')),
        control: () => answered((inbox) => say(control, inbox, '{"name":"shop"}')),
      },
      {
        name: 'a request that the server makes for it',
        attempt: async () => {
          const call = { 'Mesh-Call': newCallId() };
          const got = await heard(victim, `mesh.v1.measure.shop.${inst}`, undefined, () =>
            say(evil, 'mesh.v1.call.evil.nothing', '{}', call, '$SRV.STATS.shop'),
          );
          return got.length > 0;
        },
        control: async () => {
          const inbox = '_INBOX.operator.measured';
          const got = await heard(victim, `mesh.v1.measure.shop.${inst}`, undefined, () =>
            say(mesh.operator, '$SRV.STATS.shop', '', {}, inbox),
          );
          return got.length > 0;
        },
      },
    ];
  };

  test('answers for nobody and hears nobody, where the entitled do', async () => {
    for (const { name, attempt, control: entitled } of attacks()) {
      expect.soft(await attempt(), name).toBe(false);
      expect.soft(await entitled(), `the entitled: ${name}`).toBe(true);
    }
  });
});

test('nobody makes control speak anywhere but below an inbox', async () => {
  const to = `mesh.v1.beat.shop.${shop.instance}`;
  const said = await heard(control, to, undefined, () => say(mesh.operator, '$SRV.PING', '', {}, to));
  expect(said.filter((msg) => msg.string().includes('io.nats.micro'))).toEqual([]);
});

/**
 * Find, and views of agents and of the mesh itself: what control tells, to whom, and how much of it.
 */
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Mesh } from '../../src/agent/index.js';
import { runControl } from '../../src/control/run.js';
import type { AgentPage, AgentsPage, StatePage } from '../../src/control/views/pages.js';
import type { Found } from '../../src/wire/generated/messages.js';
import { silent } from '../../src/wire/log.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';
import { ask, codeOf, never, type Answer } from '../support/views.js';

const BIG = ['big1', 'big2', 'big3', 'big4', 'big5'];
const AGENTS = ['shop', 'rival', 'busy', 'spare', ...BIG];

const policy = `version: 1
roles:
  everything: { call: ['>'], mayRoot: true }
  narrow: { call: ['shop.>'], mayRoot: true }
  worker: { serve: ['>'] }
members:
  alice: [everything]
  carol: [narrow]
${AGENTS.map((name) => `  ${name}: [worker]`).join('\n')}
`;

let mesh: TestMesh;
let alice: Mesh;

beforeAll(async () => {
  mesh = await startTestMesh({
    policy,
    users: {
      alice: 'caller',
      carol: 'caller',
      vera: 'viewer',
      ...Object.fromEntries(AGENTS.map((name) => [name, 'agent' as const])),
    },
  });
  alice = await mesh.connect('alice');
});
afterAll(() => mesh.stop());

const view = <T>(what: string, body: object | string = {}): Promise<Answer<T>> =>
  ask<T>(mesh.operator, `view.operator.${what}`, body);

const find = async (who: string, body: object | string): Promise<Answer<Found>> =>
  ask<Found>(await mesh.broker(who), `find.${who}`, body);

describe('find', () => {
  beforeAll(async () => {
    const shop = await mesh.connect('shop');
    const rival = await mesh.connect('rival');
    const contract = { input: { type: 'object', properties: { sku: { type: 'string' } } }, idempotent: true };
    const query = { ...contract, description: 'looks it up', version: '1.2', proficiency: 'expert' as const };
    await shop.serve('shop.query', { ...query, costMicros: 7, attributes: { region: 'eu' } }, () => ({}));
    await shop.serve('shop.order', { version: '2.0', lifeMs: 60_000 }, () => ({}));
    const card = [
      { name: 'shop.query', options: { ...contract, costMicros: 3 }, handler: () => ({}) },
      { name: 'stock.secret', options: {}, handler: () => ({}) },
    ];
    await rival.serveAll(card);
    await (await mesh.connect('rival')).serveAll(card);
  });

  test('tells contract, offers and live instances of what matches', async () => {
    const { capabilities } = await find('carol', { pattern: 'shop.query' });
    expect(capabilities).toMatchObject([
      {
        name: 'shop.query',
        majors: [
          {
            major: 1,
            description: 'looks it up',
            input: { properties: { sku: { type: 'string' } } },
            output: true,
            idempotent: true,
            lifeMs: 600_000,
            instances: 3,
          },
        ],
      },
    ]);
    const offers = capabilities[0]?.majors[0]?.offers ?? [];
    expect(offers).toHaveLength(2);
    expect(offers).toContainEqual({
      agent: 'shop',
      version: '1.2',
      proficiency: 'expert',
      costMicros: 7,
      attributes: { region: 'eu' },
      instances: 1,
    });
    expect(offers.find(({ agent }) => agent === 'rival')).toMatchObject({ costMicros: 3, instances: 2 });
  });

  test('shows only what the asker may call, and a stranger nothing', async () => {
    const names = async (who: string) =>
      (await find(who, { pattern: '>' })).capabilities.map(({ name }) => name);
    expect(await names('carol')).toEqual(['shop.order', 'shop.query']);
    expect(await names('alice')).toEqual(
      expect.arrayContaining(['shop.order', 'shop.query', 'stock.secret']),
    );
    expect((await find('carol', { pattern: 'stock.secret' })).capabilities).toEqual([]);
    expect(await names('vera')).toEqual([]);
  });

  test('a major narrows it', async () => {
    expect((await find('carol', { pattern: 'shop.*', major: 2 })).capabilities).toMatchObject([
      { name: 'shop.order', majors: [{ major: 2 }] },
    ]);
  });

  test('the same answer is not told twice; a card, a grant or another asker makes another', async () => {
    const asked = { pattern: 'shop.>' };
    const { revision } = await find('carol', asked);
    const again = await find('carol', { ...asked, known: revision });
    expect(again).toEqual({ revision, unchanged: true, capabilities: [] });
    expect((await find('alice', { ...asked, known: revision })).capabilities).toHaveLength(2);
    expect((await find('carol', { pattern: '>', known: revision })).capabilities).toHaveLength(2);
    await (await mesh.connect('spare')).serve('unrelated.thing', () => ({}));
    const after = await find('carol', { ...asked, known: revision });
    expect(after.unchanged).toBeUndefined();
    writeFileSync(mesh.policyFile, `${policy}# read again\n`);
    await until(async () => (await find('carol', asked)).revision !== after.revision);
  });

  test('any control gives the same revision', async () => {
    const { seed } = mesh.credentials('control');
    const { url, policyFile } = mesh;
    const second = await runControl({ url, seed, name: 'control', policyFile, log: silent });
    try {
      const revisions = await until(async () => {
        const told = await Promise.all(Array.from({ length: 12 }, () => find('carol', { pattern: '>' })));
        const all = new Set(told.map(({ revision }) => revision));
        return all.size === 1 && all;
      });
      expect(revisions.size).toBe(1);
    } finally {
      await second.stop();
    }
  });

  test('the SDK asks the same, and goes on behind a name', async () => {
    const carol = await mesh.connect('carol');
    const all = await carol.find();
    expect(all.capabilities.map(({ name }) => name)).toEqual(['shop.order', 'shop.query']);
    const rest = await carol.find('shop.*', { after: 'shop.order' });
    expect(rest.capabilities).toMatchObject([{ name: 'shop.query', majors: [{ readOnly: false }] }]);
    expect(await carol.find('>', { known: all.revision })).toMatchObject({ unchanged: true });
    expect(await codeOf(carol.find('SHOP'))).toBe('name_invalid');
  });

  test.each([
    ['{"pattern":"shop.>.x"}', 'name_invalid'],
    ['{"pattern":""}', 'name_invalid'],
    ['{"pattern":"a b"}', 'name_invalid'],
    ['{"pattern":"SHOP"}', 'name_invalid'],
    [`{"pattern":"${'a.'.repeat(8)}a"}`, 'name_invalid'],
    ['{"pattern":1}', 'schema_violation'],
    ['{"pattern":">","from":"alice"}', 'schema_violation'],
    ['', 'schema_violation'],
    ['{"pattern":', 'body_undecodable'],
    [`{"pattern":"${'a'.repeat(5_000)}"}`, 'body_too_large'],
  ])('refuses %.40s with %s', async (body, code) => {
    expect((await find('carol', body)).code).toBe(code);
  });

  test('nobody asks in the name of another', async () => {
    const nc = await mesh.broker('carol');
    await expect(nc.request('mesh.v1.find.alice', '{"pattern":">"}', { timeout: 1_000 })).rejects.toThrow(
      /permissions violation/i,
    );
    await expect(nc.request('mesh.v1.view.carol.calls', '{}', { timeout: 1_000 })).rejects.toThrow(
      /permissions violation/i,
    );
  });

  test('a reply that would be too large is cut, and says so', async () => {
    const input = { type: 'object', description: 'x'.repeat(60_000) };
    for (const agent of BIG) {
      const names = [1, 2, 3, 4].map((n) => `large.${agent}-${n}`);
      const list = names.map((name) => ({ name, options: { input }, handler: () => ({}) }));
      await (await mesh.connect(agent)).serveAll(list);
    }
    const nc = await mesh.broker('alice');
    const reply = await nc.request('mesh.v1.find.alice', '{"pattern":"large.>"}', { timeout: 5_000 });
    const { capabilities, truncated } = reply.json<Found>();
    expect(reply.data.length).toBeLessThan(1_000_000);
    expect(capabilities).toHaveLength(14);
    expect(truncated).toBe(true);
    expect((await find('alice', { pattern: 'large.big1-1' })).truncated).toBeUndefined();
  });

  test('one asker cannot have any number of views at once', async () => {
    const nc = await mesh.broker('carol');
    const all = await Promise.all(
      Array.from({ length: 200 }, () => ask<Found>(nc, 'find.carol', { pattern: 'shop.query' })),
    );
    const told = all.filter(({ code }) => code === undefined);
    expect(told.length).toBeGreaterThanOrEqual(16);
    expect(all.filter(({ code }) => code !== undefined && code !== 'overloaded')).toEqual([]);
    expect((await find('carol', { pattern: 'shop.query' })).capabilities).toHaveLength(1);
  });
});

describe('agents', () => {
  test('each with its capabilities and what its instances last told', async () => {
    const one = await mesh.connect('busy', { concurrency: 3, description: 'is busy' });
    await one.serve('busy.wait', { version: '1.4' }, never);
    const calls = [1, 2].map(() => codeOf(alice.call('busy.wait', {}, { timeoutMs: 1_500 })));
    const row = await until(async () => {
      const { agents } = await view<AgentsPage>('agents', { agent: 'busy' });
      return agents[0]?.instances[0]?.inFlight === 2 ? agents[0] : undefined;
    });
    expect(row).toMatchObject({
      agent: 'busy',
      plain: false,
      description: 'is busy',
      capabilities: [{ name: 'busy.wait', version: '1.4' }],
      instances: [{ instance: one.instance, state: 'ready', inFlight: 2, concurrency: 3 }],
    });
    expect(await Promise.all(calls)).toEqual(['attempt_lost', 'attempt_lost']);
    await one.close(0);
    const gone = await view<AgentsPage>('agents', { agent: 'busy' });
    expect(gone.agents).toMatchObject([{ agent: 'busy', instances: [] }]);
  });

  test('one in full, with its card', async () => {
    const page = await view<AgentPage>('agent', { agent: 'shop' });
    expect(page).toMatchObject({ agent: 'shop', plain: false, instances: [{ state: 'ready' }] });
    expect(page.card.capabilities.map(({ name }) => name)).toEqual(['shop.query', 'shop.order']);
    const { agents } = await view<AgentsPage>('agents');
    expect(agents.find(({ agent }) => agent === 'shop')?.digest).toBe(page.digest);
  });

  test('a name that is not there is not found', async () => {
    expect((await view('agent', { agent: 'nobody' })).code).toBe('not_found');
  });

  test('a viewer sees the same as the operator', async () => {
    const { agents } = await ask<AgentsPage>(await mesh.broker('vera'), 'view.vera.agents', '');
    expect(agents.map(({ agent }) => agent)).toEqual(expect.arrayContaining(['shop', 'rival']));
  });
});

describe('state', () => {
  test('tells gateways, leader, streams and counts; any control answers the same', async () => {
    const { seed } = mesh.credentials('control');
    const { url, policyFile } = mesh;
    const second = await runControl({ url, seed, name: 'control', policyFile, log: silent });
    try {
      const pages = new Map<string, StatePage>();
      await until(async () => {
        const page = await view<StatePage>('state');
        pages.set(page.control, page);
        return pages.size === 2;
      });
      const [one, other] = [...pages.values()];
      expect(one?.supervisor).toBe(other?.supervisor);
      expect([one?.control, other?.control]).toContain(one?.supervisor);
      expect(one?.policy).toBe(other?.policy);
      expect(one?.streams.map(({ stream }) => stream)).toEqual([
        'CALLS',
        'DECISIONS',
        'OUTCOMES',
        'PARKED',
        'VOTES',
        'DEAD',
        'BODIES',
      ]);
      const settled = await until(async () => {
        const page = await view<StatePage>('state');
        return page.control !== page.supervisor && page.gateways.length === 1 ? page : undefined;
      });
      expect(settled.agents.registered).toBeGreaterThanOrEqual(settled.agents.alive);
      expect(settled.gateways).toMatchObject([{ state: 'ready', gateway: mesh.gateways[0]?.gateway }]);
    } finally {
      await second.stop();
    }
  });
});

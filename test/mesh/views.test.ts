/**
 * Find and views: what control tells, to whom, and how much of it.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newCallId, type Mesh, type MeshError } from '../../src/agent/index.js';
import { runControl } from '../../src/control/run.js';
import type {
  AgentPage,
  AgentsPage,
  CallNode,
  CallPage,
  CallsPage,
  FindPage,
  StatePage,
} from '../../src/control/views/pages.js';
import type { NatsConnection } from '../../src/fabric/connection.js';
import type { ErrorBody } from '../../src/wire/generated/messages.js';
import { silent } from '../../src/wire/log.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';

const BIG = ['big1', 'big2', 'big3', 'big4', 'big5'];

const policy = `version: 1
roles:
  everything: { call: ['>'], mayRoot: true }
  narrow: { call: ['shop.>', 'tree.*'], mayRoot: true }
  worker: { serve: ['>'], call: ['tree.>'] }
members:
  alice: [everything]
  carol: [narrow]
  top: [worker]
  leaf: [worker]
  shop: [worker]
  rival: [worker]
  gone: [worker]
  busy: [worker]
${BIG.map((name) => `  ${name}: [worker]`).join('\n')}
`;

let mesh: TestMesh;
let alice: Mesh;
let carol: Mesh;

beforeAll(async () => {
  mesh = await startTestMesh({
    policy,
    users: {
      alice: 'caller',
      carol: 'caller',
      vera: 'viewer',
      top: 'agent',
      leaf: 'agent',
      shop: 'agent',
      rival: 'agent',
      gone: 'agent',
      busy: 'agent',
      ...Object.fromEntries(BIG.map((name) => [name, 'agent' as const])),
    },
  });
  alice = await mesh.connect('alice');
  carol = await mesh.connect('carol');
});
afterAll(() => mesh.stop());

type Answer<T> = T & Partial<ErrorBody>;

async function ask<T>(nc: NatsConnection, to: string, body: object | string): Promise<Answer<T>> {
  const payload = typeof body === 'string' ? body : JSON.stringify(body);
  return (await nc.request(`mesh.v1.${to}`, payload, { timeout: 10_000 })).json<Answer<T>>();
}

const view = <T>(what: string, body: object | string = {}): Promise<Answer<T>> =>
  ask<T>(mesh.operator, `view.operator.${what}`, body);

const find = async (who: string, body: object | string): Promise<Answer<FindPage>> =>
  ask<FindPage>(await mesh.broker(who), `find.${who}`, body);

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'completed',
    (err: MeshError) => err.code,
  );

const never = (): Promise<never> => new Promise(() => undefined);

describe('find', () => {
  beforeAll(async () => {
    const shop = await mesh.connect('shop');
    const rival = await mesh.connect('rival');
    const contract = { input: { type: 'object', properties: { sku: { type: 'string' } } }, idempotent: true };
    const query = { ...contract, description: 'looks it up', version: '1.2', proficiency: 'expert' as const };
    await shop.serve('shop.query', { ...query, costMicros: 7, attributes: { region: 'eu' } }, () => ({}));
    await shop.serve('shop.order', { version: '2.0', lifeMs: 60_000 }, () => ({}));
    await rival.serve('shop.query', { ...contract, version: '1.0', costMicros: 3 }, () => ({}));
    await rival.serve('stock.secret', () => ({}));
    await (
      await mesh.connect('rival')
    ).serve('shop.query', { ...contract, version: '1.0', costMicros: 3 }, () => ({}));
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
    [JSON.stringify({ pattern: 'a'.repeat(5_000) }), 'body_too_large'],
  ])('refuses %s with %s', async (body, code) => {
    expect((await find('carol', body)).code).toBe(code);
  });

  test('nobody asks in the name of another', async () => {
    const nc = await mesh.broker('carol');
    await expect(nc.request('mesh.v1.find.alice', '{"pattern":">"}', { timeout: 1_000 })).rejects.toThrow();
    await expect(nc.request('mesh.v1.view.carol.calls', '{}', { timeout: 1_000 })).rejects.toThrow();
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
    const { capabilities, truncated } = reply.json<FindPage>();
    expect(reply.data.length).toBeLessThan(1_000_000);
    expect(capabilities).toHaveLength(14);
    expect(truncated).toBe(true);
    expect((await find('alice', { pattern: 'large.big1-1' })).truncated).toBeUndefined();
  });

  test('one asker cannot have any number of views at once', async () => {
    const nc = await mesh.broker('carol');
    const all = await Promise.all(
      Array.from({ length: 200 }, () => ask<FindPage>(nc, 'find.carol', { pattern: 'shop.query' })),
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

describe('one call', () => {
  let leaf: Mesh;

  beforeAll(async () => {
    leaf = await mesh.connect('leaf');
    const top = await mesh.connect('top');
    await leaf.serve('tree.leaf', (body: unknown) => body);
    await top.serve('tree.top', async (_: unknown, ctx) => {
      await ctx.call('tree.leaf', { n: 1 }, { labels: { part: 'one' } });
      const refused = await codeOf(ctx.call('shop.order', {}));
      return { refused };
    });
  });

  const byCapability = ({ calls }: CallPage, name: string): CallNode[] =>
    calls.filter(({ capability }) => capability === name);

  test('with its tree: child call, refusal, agents, times', async () => {
    const { call, value } = await alice.callForOutcome('tree.top', {}, { intent: 'try', context: 'c-1' });
    expect(value).toEqual({ refused: 'not_granted' });
    const page = await view<CallPage>('call', { call });
    expect(page.root).toBe(`alice.${call}`);
    expect(page.calls.map(({ capability }) => capability)).toEqual(['tree.top', 'tree.leaf', 'shop.order']);
    const [top, child, refused] = page.calls;
    expect(top).toMatchObject({
      from: 'alice',
      call,
      status: 'completed',
      asked: true,
      intent: 'try',
      context: 'c-1',
      attempts: [{ attempt: 1, agent: 'top' }],
      outcome: { status: 'completed', agent: 'top', attempt: 1 },
    });
    expect(child).toMatchObject({
      from: 'top',
      parent: `alice.${call}`,
      child: 0,
      labels: { part: 'one' },
      attempts: [{ attempt: 1, agent: 'leaf', instance: leaf.instance }],
      status: 'completed',
    });
    expect(refused).toMatchObject({
      status: 'refused',
      parent: `alice.${call}`,
      attempts: [],
      outcome: { code: 'not_granted', error: { code: 'not_granted', class: 'authority', retry: 'never' } },
    });
    expect(refused?.outcome?.error?.help).toContain('mesh.policy.yaml');
    expect(top?.tookMs).toBeGreaterThanOrEqual(child?.tookMs ?? Infinity);
    expect(top?.waitedMs).toBeGreaterThanOrEqual(0);
    expect(JSON.stringify(page)).not.toContain('"n":1'); // bodies and results are not for viewers
  });

  test('asked by a child it is the same tree, with the child marked', async () => {
    const { call } = await alice.callForOutcome('tree.top', {});
    const whole = await view<CallPage>('call', { call });
    const [child] = byCapability(whole, 'tree.leaf');
    const page = await view<CallPage>('call', { call: child?.call ?? '', from: 'top' });
    expect(page.calls.map((node) => node.call)).toEqual(whole.calls.map((node) => node.call));
    expect(page.calls.filter(({ asked }) => asked)).toMatchObject([{ call: child?.call }]);
  });

  test('that runs is found by the birth in its id, with all that runs below it', async () => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    await leaf.serve('tree.held', async () => (await held, {}));
    await (await mesh.connect('top')).serve('tree.holding', (_: unknown, ctx) => ctx.call('tree.held', {}));
    const id = newCallId();
    const pending = alice.call('tree.holding', {}, { id });
    const page = await until(async () => {
      const seen = await view<CallPage>('call', { call: id });
      return seen.calls?.length === 2 ? seen : undefined;
    });
    expect(page.calls).toMatchObject([
      { call: id, status: 'running' },
      { capability: 'tree.held', status: 'running', parent: `alice.${id}` },
    ]);
    const running = await view<CallsPage>('calls', { status: 'running', from: 'alice' });
    expect(running.calls).toMatchObject([{ call: id, status: 'running', agent: 'top' }]);
    release();
    await pending;
    expect((await view<CallsPage>('calls', { status: 'running', from: 'alice' })).calls).toEqual([]);
  });

  test('shows every attempt', async () => {
    const options = { idempotent: true, attemptMs: 200 };
    await leaf.serve('tree.again', options, (_: unknown, ctx) =>
      ctx.attempt === 1 ? never() : { at: ctx.attempt },
    );
    const { call } = await alice.callForOutcome('tree.again', {});
    const [node] = (await view<CallPage>('call', { call })).calls;
    expect(node).toMatchObject({
      status: 'completed',
      attempts: [{ attempt: 1, instance: leaf.instance }, { attempt: 2 }],
      outcome: { attempt: 2 },
    });
    expect(node?.tookMs).toBeGreaterThanOrEqual(200);
    const { calls } = await view<CallsPage>('calls', { from: 'alice', limit: 1 });
    expect(calls).toMatchObject([{ call, attempt: 2, status: 'completed' }]);
  });

  test('a failure is told as it is stored', async () => {
    await leaf.serve('tree.bad', () => {
      throw new Error('no luck');
    });
    const err = await alice.call('tree.bad', {}).catch((e: unknown) => e as MeshError);
    const { calls } = await view<CallPage>('call', { call: (err as MeshError).call ?? '' });
    expect(calls).toMatchObject([{ status: 'failed', outcome: { code: 'handler_failed' } }]);
    expect(calls[0]?.outcome?.error).toEqual((err as MeshError).toBody());
  });
});

describe('a call that waits', () => {
  const parked = (call: string): Promise<CallNode> =>
    until(async () => {
      const { calls } = await view<CallPage>('call', { call });
      const node = calls?.find((one) => one.call === call);
      return node?.status === 'parked' ? node : undefined;
    });

  test('says that nobody is alive', async () => {
    const gone = await mesh.connect('gone');
    await gone.serve('gone.work', () => ({}));
    await gone.close();
    const id = newCallId();
    const pending = codeOf(alice.call('gone.work', {}, { id, timeoutMs: 4_000 }));
    const node = await parked(id);
    expect(node).toMatchObject({ why: 'waits for capacity (no live agent)', attempts: [], asked: true });
    expect(node.waitedMs).toBeGreaterThanOrEqual((node.since ?? Infinity) - (node.bornAt ?? 0));
    const list = await view<CallsPage>('calls', { status: 'parked' });
    expect(list.calls).toMatchObject([{ call: id, from: 'alice', status: 'parked', why: node.why }]);
    expect((await view<StatePage>('state')).parked).toBe(1);
    expect(await pending).toBe('no_agent');
    const ended = await view<CallPage>('call', { call: id });
    expect(ended.calls).toMatchObject([{ status: 'expired', outcome: { code: 'no_agent' } }]);
    expect(ended.calls[0]?.why).toBeUndefined();
  });

  test('or that all are busy, also below the call that waits for it', async () => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const busy = await mesh.connect('busy', { concurrency: 1 });
    await busy.serve('tree.busy', async () => (await held, {}));
    await (await mesh.connect('top')).serve('tree.above', (_: unknown, ctx) => ctx.call('tree.busy', {}));
    const first = alice.call('tree.busy', {});
    const id = newCallId();
    const second = alice.call('tree.above', {}, { id });
    const node = await until(async () => {
      const { calls } = await view<CallPage>('call', { call: id });
      return calls?.find(({ capability, status }) => capability === 'tree.busy' && status === 'parked');
    });
    expect(node).toMatchObject({ from: 'top', parent: `alice.${id}`, why: 'waits for capacity (all busy)' });
    expect((await view<CallPage>('call', { call: node.call })).root).toBe(`alice.${id}`);
    release();
    await Promise.all([first, second]);
    await busy.close();
  });

  test('or for a gateway, when none decides', async () => {
    const quiet = await startTestMesh({ users: { alice: 'caller' }, gateways: 0 });
    try {
      const one = await quiet.connect('alice');
      const id = newCallId();
      const pending = codeOf(one.call('some.work', {}, { id, timeoutMs: 20_000 }));
      const { calls } = await until(async () => {
        const page = await ask<CallPage>(quiet.operator, 'view.operator.call', { call: id });
        return page.calls === undefined ? undefined : page;
      });
      expect(calls).toMatchObject([{ call: id, status: 'accepted', why: 'waits for a gateway to decide' }]);
      const list = await ask<CallsPage>(quiet.operator, 'view.operator.calls', { from: 'alice' });
      expect(list.calls).toMatchObject([{ call: id, status: 'accepted', capability: 'some.work' }]);
      await one.close(0);
      expect(await pending).toBe('closed');
    } finally {
      await quiet.stop();
    }
  });
});

describe('calls', () => {
  test('the newest first, as many as asked for, of one caller, in one state', async () => {
    const leaf = await mesh.connect('leaf');
    await leaf.serve('tree.list', (body: { fail: boolean }) => {
      if (body.fail) {
        throw new Error('as asked');
      }
    });
    const ids: string[] = [];
    for (const fail of [false, true, false, true, false]) {
      const id = newCallId();
      await codeOf(carol.call('tree.list', { fail }, { id }));
      ids.unshift(id);
    }
    const list = async (body: object) => (await view<CallsPage>('calls', body)).calls.map(({ call }) => call);
    expect(await list({ from: 'carol', limit: 3 })).toEqual(ids.slice(0, 3));
    expect((await list({ from: 'carol' })).slice(0, 5)).toEqual(ids);
    expect(await list({ from: 'carol', status: 'failed' })).toEqual([ids[1], ids[3]]);
    expect(await list({ from: 'nobody' })).toEqual([]);
    expect((await list({})).length).toBeLessThanOrEqual(50);
  });

  test('more calls than one look reads are joined with their outcomes', async () => {
    const leaf = await mesh.connect('leaf', { concurrency: 256 });
    await leaf.serve('tree.many', () => ({}));
    const old = newCallId();
    await carol.call('tree.many', {}, { id: old });
    const batch = () => Promise.all(Array.from({ length: 500 }, () => alice.call('tree.many', {})));
    for (let i = 0; i < 10; i++) {
      await batch();
    }
    const page = await view<CallsPage>('calls', { from: 'alice', limit: 1_000 });
    expect(page.calls.filter(({ status }) => status === 'completed')).toHaveLength(1_000);
    const [newest] = (await view<CallsPage>('calls', { from: 'carol', limit: 1 })).calls;
    expect(newest).toMatchObject({ call: old, status: 'completed' }); // 5 000 decisions further back
    const stopped = await view<CallsPage>('calls', { status: 'cancelled' });
    expect(stopped).toEqual({ calls: [] });
  });

  test.each([
    ['calls', '{"limit":1001}', 'schema_violation'],
    ['calls', '{"limit":0}', 'schema_violation'],
    ['calls', '{"status":"bogus"}', 'schema_violation'],
    ['calls', '{"from":"a.*"}', 'schema_violation'],
    ['calls', '{"other":1}', 'schema_violation'],
    ['call', '', 'schema_violation'],
    ['call', '{"call":"*"}', 'name_invalid'],
    ['call', '{"call":"a.b"}', 'name_invalid'],
    ['call', '{"call":"01arz3ndektsv4rrffq69g5fav"}', 'not_found'],
    ['call', '{"call":"7zzzzzzzzzzzzzzzzzzzzzzzzz"}', 'not_found'],
    ['call', '{"call":"seq-1","from":"nobody"}', 'not_found'],
    ['agent', '{}', 'schema_violation'],
    ['agent', '{"agent":">"}', 'schema_violation'],
    ['toString', '{}', 'not_found'],
    ['bogus', '{}', 'not_found'],
  ])('view %s %s is refused with %s', async (what, body, code) => {
    expect((await view(what, body)).code).toBe(code);
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
        'DEAD',
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

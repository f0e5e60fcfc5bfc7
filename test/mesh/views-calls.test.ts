/**
 * Views of calls: one with its tree, those that wait, and the newest ones.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newCallId, type Mesh, type MeshError } from '../../src/agent/index.js';
import type { CallNode, CallPage, CallsPage, StatePage } from '../../src/control/views/pages.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';
import { ask, codeOf, never, type Answer } from '../support/views.js';

const policy = `version: 1
roles:
  everything: { call: ['>'], mayRoot: true }
  narrow: { call: ['tree.*'], mayRoot: true }
  worker: { serve: ['>'], call: ['tree.>'] }
members: { alice: [everything], carol: [narrow], top: [worker], leaf: [worker], gone: [worker], busy: [worker] }
`;

let mesh: TestMesh;
let alice: Mesh;
let carol: Mesh;

beforeAll(async () => {
  mesh = await startTestMesh({
    policy,
    users: { alice: 'caller', carol: 'caller', top: 'agent', leaf: 'agent', gone: 'agent', busy: 'agent' },
  });
  alice = await mesh.connect('alice');
  carol = await mesh.connect('carol');
});
afterAll(() => mesh.stop());

const view = <T>(what: string, body: object | string = {}): Promise<Answer<T>> =>
  ask<T>(mesh.operator, `view.operator.${what}`, body);

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
    const other = await mesh.connect('leaf');
    for (const one of [leaf, other]) {
      await one.serve('tree.again', options, (_: unknown, ctx) =>
        ctx.attempt === 1 ? never() : { at: ctx.attempt },
      );
    }
    const { call } = await alice.callForOutcome('tree.again', {});
    const [node] = (await view<CallPage>('call', { call })).calls;
    expect(node).toMatchObject({
      status: 'completed',
      attempts: [
        { attempt: 1, agent: 'leaf' },
        { attempt: 2, agent: 'leaf' },
      ],
      outcome: { attempt: 2 },
    });
    expect(node?.attempts[0]?.instance).not.toBe(node?.attempts[1]?.instance);
    expect(node?.tookMs).toBeGreaterThanOrEqual(200);
    const { calls } = await view<CallsPage>('calls', { from: 'alice', limit: 1 });
    expect(calls).toMatchObject([{ call, attempt: 2, status: 'completed' }]);
    await other.close(0);
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

  test('several views of streams at once wait for each other, and all are answered', async () => {
    const pages = await Promise.all(Array.from({ length: 12 }, () => view<CallsPage>('calls', { limit: 5 })));
    expect(pages.map(({ calls }) => calls.length)).toEqual(pages.map(() => 5));
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

/**
 * Approvals on the real path: what is shown, whose yes counts, for what, until when and how often.
 */
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newCallId, type Mesh, type MeshError } from '../../src/agent/index.js';
import { runControl } from '../../src/control/run.js';
import { runGateway } from '../../src/gateway/run.js';
import { callDigest } from '../../src/wire/digest.js';
import type { Token } from '../../src/wire/names.js';
import { openBooks, person, type Books, type Person, type Shown } from '../support/approvals.js';
import { controlDesk } from '../support/control-desk.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';
import { RawCaller } from '../support/raw-caller.js';
import { ask } from '../support/views.js';

const POLICY = `version: 1
roles:
  buyer: { call: ['pay.>', 'shop.>'], mayRoot: true }
  bank: { serve: ['pay.>'] }
  shop: { serve: ['shop.>'], call: ['pay.>'] }
  finance: {}
  legal: {}
members:
  me: [buyer]
  boss: [buyer, finance]
  bank: [bank, finance]
  bank2: [bank]
  shop: [shop, finance]
  ann: [finance]
  bob: [finance]
  lea: [legal]
rules:
  - name: large
    match: { capability: ['pay.transfer', 'pay.slow', 'pay.card'] }
    when: args.amount >= 1000
    effect: hold
    reason: four eyes
    approvers: [finance]
    obligations: { keep: '10 years' }
  - name: huge
    match: { capability: ['pay.transfer'] }
    when: args.amount >= 100000
    effect: hold
    approvers: [finance]
    count: 2
  - name: contract
    match: { capability: ['pay.transfer'] }
    when: has(args.contract)
    effect: hold
    approvers: [legal]
  - name: soon-or-never
    match: { capability: ['pay.soon'] }
    effect: hold
    approvers: [finance]
    expires: 1s
  - name: receipt
    match: { capability: ['pay.transfer'], labels: { tenant: north } }
    effect: allow
    obligations: { print: 'it' }
`;

let mesh: TestMesh;
let me: Mesh;
let bank: Mesh;
let books: Books;
const people = new Map<string, Person>();
const runs: { capability: string; amount: number }[] = [];

beforeAll(async () => {
  const callers = ['me', 'boss', 'ann', 'bob', 'lea'].map((name) => [name, 'caller'] as const);
  const agents = ['bank', 'bank2', 'shop', 'slow'].map((name) => [name, 'agent'] as const);
  const policy = `${POLICY}`.replace('  shop: [shop, finance]', '  shop: [shop, finance]\n  slow: [bank]');
  mesh = await startTestMesh({ users: Object.fromEntries([...callers, ...agents]), policy });
  books = await openBooks(mesh.operator);
  for (const [name] of callers) {
    people.set(name, person(await mesh.broker(name), name));
  }
  me = await mesh.connect('me');
  bank = await mesh.connect('bank', { concurrency: 100 });
  for (const capability of ['pay.transfer', 'pay.soon']) {
    await bank.serve(capability, (body) => {
      const { amount } = body as { amount: number };
      runs.push({ capability, amount });
      return { done: amount };
    });
  }
  const shop = await mesh.connect('shop', { concurrency: 100 });
  await shop.serve('shop.order', (body: object, ctx) => ctx.call('pay.transfer', body));
  await me.call('pay.transfer', { amount: 1 });
});
afterAll(async () => {
  books.stop();
  await mesh.stop();
});

function as(name: string): Person {
  const one = people.get(name);
  if (one === undefined) {
    throw new Error(`nobody is called ${name}`);
  }
  return one;
}

const errorOf = (promise: Promise<unknown>): Promise<MeshError> =>
  promise.then(
    () => Promise.reject(new Error('it completed')),
    (err: MeshError) => err,
  );

let next = 1_000;

/** Send what is held, with an amount of its own; what an approver is shown. */
async function hold(
  body: object = {},
  capability = 'pay.transfer',
  timeoutMs = 20_000,
): Promise<Shown & { amount: number }> {
  const amount = next++;
  const call = await me.send(capability, { amount, ...body }, { timeoutMs });
  await books.held(call);
  const { digest } = await as('ann').show('me', call);
  return { from: 'me', call, digest, amount };
}

const ranWith = (amount: number): number => runs.filter((one) => one.amount === amount).length;
const listed = async (who: string, call: string) =>
  (await as(who).ls()).approvals.find((one) => one.call === call);

describe('the whole way', () => {
  test('an approver sees the bytes, and what they say yes to is what runs, once', async () => {
    const body = { amount: 1_500_000, note: 'rent \u202e' };
    const amount = 7_777;
    const options = { labels: { tenant: 'north' }, intent: 'rent', timeoutMs: 20_000 };
    const call = await me.send('pay.transfer', { ...body, amount }, options);
    const record = await books.held(call);
    expect(await listed('ann', call)).toMatchObject({
      from: 'me',
      capability: 'pay.transfer',
      agent: 'bank',
      expires: record.approval?.expires,
      missing: [{ rule: 'large', approvers: ['finance'], have: 0, need: 1 }],
    });
    const page = await as('ann').show('me', call);
    const bytes = Buffer.from(page.body ?? '', 'base64');
    expect(JSON.parse(bytes.toString())).toEqual({ ...body, amount });
    expect(page).toMatchObject({
      chain: ['me'],
      root: `me.${call}`,
      policy: record.approval?.policy,
      rules: [{ rule: 'large', reason: 'four eyes', approvers: ['finance'], count: 1 }],
      arguments: callDigest('pay.transfer', bytes),
      card: record.approval?.card,
      intent: 'rent',
      labels: 'tenant=north',
      alternatives: [],
      votes: [],
    });
    expect(page.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(ranWith(amount)).toBe(0);
    const voted = await as('ann').vote('approve', { from: 'me', call, digest: page.digest }, 'it is due');
    expect(voted).toEqual({ state: 'approved', digest: page.digest, missing: [] });
    expect((await me.wait(call)).value).toEqual({ done: amount });
    expect(ranWith(amount)).toBe(1);
    const [decision, ...more] = await until(() => books.decided(call).length > 0 && books.decided(call));
    expect(more).toEqual([]);
    expect(decision).toMatchObject({
      verdict: 'allow',
      agent: 'bank',
      digest: page.arguments,
      approval: { by: ['ann'], digest: page.digest, card: page.card },
      obligations: { 'large.keep': '10 years', 'receipt.print': 'it' },
    });
    expect(decision?.rules?.toSorted()).toEqual(['large', 'receipt']);
    expect(decision?.approval?.at).toBeGreaterThan(record.parkedAt);
    expect(await listed('ann', call)).toBeUndefined();
    expect((await as('ann').show('me', call)).code).toBe('not_found');
  });

  test('two of two, and legal too: all rules must be satisfied', async () => {
    const one = await hold({ amount: 200_000, contract: true });
    const states = [];
    for (const who of ['ann', 'lea', 'bob']) {
      expect(ranWith(200_000)).toBe(0);
      states.push((await as(who).vote('approve', one)).state);
    }
    expect(states).toEqual(['waits', 'waits', 'approved']);
    expect((await me.wait(one.call)).value).toEqual({ done: 200_000 });
    expect(books.decided(one.call)[0]?.approval?.by).toEqual(['ann', 'lea', 'bob']);
  });

  test('the caller of a held call sees it, and those without a part in it see nothing', async () => {
    const { call } = await hold();
    expect(await listed('me', call)).toMatchObject({ notEntitled: 'requester' });
    expect(await listed('lea', call)).toBeUndefined();
    expect((await as('lea').show('me', call)).code).toBe('not_found');
    me.cancel(call);
    expect((await errorOf(me.wait(call))).status).toBe('cancelled');
  });

  test('one no ends it, and says who and why', async () => {
    const one = await hold({ amount: 300_000 });
    expect((await as('ann').vote('approve', one)).state).toBe('waits');
    expect((await as('bob').vote('deny', one, 'not this year')).state).toBe('denied');
    const error = await errorOf(me.wait(one.call));
    expect([error.code, error.status, error.details['by']]).toEqual(['approval_denied', 'refused', 'bob']);
    expect(error.message).toContain('not this year');
    expect(books.decided(one.call)).toMatchObject([
      { verdict: 'refuse', guard: 'policy', rules: ['large', 'huge'] },
    ]);
    expect((await as('ann').vote('approve', one)).code).toBe('not_found');
    expect(ranWith(300_000)).toBe(0);
  });
});

describe('whose yes counts', () => {
  test('not of the requester, nor of the principal behind it, nor of others without the role', async () => {
    const one = await hold();
    for (const who of ['me', 'lea']) {
      expect((await as(who).vote('approve', one)).code).toBe('approval_not_entitled');
      expect((await as(who).vote('deny', one)).code).toBe('approval_not_entitled');
    }
    // boss has the role, and asks through an agent: the agent calls, and both stand in the chain.
    const boss = await mesh.connect('boss');
    const amount = next++;
    const order = boss.call('shop.order', { amount }, { timeoutMs: 20_000 });
    const child = await until(async () =>
      (await as('ann').ls()).approvals.find((row) => row.from === 'shop'),
    );
    expect(await as('ann').show('shop', child.call)).toMatchObject({ chain: ['boss', 'shop/shop.order'] });
    expect((await as('boss').vote('approve', child)).code).toBe('approval_not_entitled');
    expect((await as('ann').vote('approve', child)).state).toBe('approved');
    expect(await order).toEqual({ done: amount });
    expect(ranWith(one.amount)).toBe(0);
    me.cancel(one.call);
  });

  test('no agent can speak there, and nobody in the name of another', async () => {
    const one = await hold();
    const denied = async (user: string, from: string) => {
      const nc = await mesh.broker(user);
      const asked = JSON.stringify(one);
      const refused = nc.request(`mesh.v1.approval.${from}.approve`, asked, { timeout: 2_000 });
      return await refused.then(
        () => 'answered',
        (err: Error) => `${err.message} ${err.cause instanceof Error ? err.cause.message : ''}`,
      );
    };
    for (const [user, from] of [
      ['bank', 'bank'],
      ['shop', 'shop'],
      ['bank', 'ann'],
      ['me', 'ann'],
    ] as const) {
      expect(await denied(user, from)).toMatch(/permission/i);
    }
    expect((await as('ann').show('me', one.call)).votes).toEqual([]);
    me.cancel(one.call);
  });
});

describe('what it is for', () => {
  test('another digest is stale, a digest that is none is no request, a vote stands', async () => {
    const one = await hold({ amount: 400_000 });
    const other = await hold({ amount: 400_001 });
    const stale = await as('ann').vote('approve', { ...one, digest: other.digest });
    expect(stale.code).toBe('approval_stale');
    expect((await as('ann').vote('approve', { ...one, digest: 'abc' })).code).toBe('schema_violation');
    expect((await as('ann').vote('approve', one)).state).toBe('waits');
    for (const what of ['approve', 'deny'] as const) {
      expect((await as('ann').vote(what, one)).code).toBe('approval_voted');
    }
    const page = await as('bob').show('me', one.call);
    expect(page.votes).toMatchObject([{ by: 'ann', vote: 'approve' }]);
    expect(page.missing).toMatchObject([{ rule: 'huge', have: 1, need: 2 }]);
    me.cancel(one.call);
    me.cancel(other.call);
    expect((await errorOf(me.wait(one.call))).status).toBe('cancelled');
  });

  test('the same id with other bytes is not what was approved, and does not run', async () => {
    const raw = await RawCaller.open(mesh.url, mesh.credentials('me'));
    const id = newCallId();
    const amount = next++;
    const headers = { 'Mesh-Call': id, 'Mesh-Deadline': String(Date.now() + 20_000) };
    const first = raw.call({ capability: 'pay.transfer', headers, body: JSON.stringify({ amount }) });
    await books.held(id);
    const shown = await as('ann').show('me', id);
    const swapped = { capability: 'pay.transfer', headers, body: JSON.stringify({ amount: 999_999 }) };
    raw.call(swapped).catch(() => undefined); // one outcome for both
    await me.call('pay.transfer', { amount: 1 }); // whatever was sent before it was taken
    expect((await as('ann').show('me', id)).digest).toBe(shown.digest);
    await as('ann').vote('approve', shown);
    await until(() => ranWith(amount) === 1);
    expect((await until(() => books.decided(id)[0])).digest).toBe(shown.arguments);
    expect(ranWith(999_999)).toBe(0);
    void first.catch(() => undefined);
    await raw.close();
  });

  test('a card that has changed is another agent', async () => {
    const before = await mesh.connect('bank2');
    await before.serve('pay.card', () => ({ before: true }));
    const one = await hold({}, 'pay.card');
    await before.close(0);
    const after = await mesh.connect('bank2');
    await after.serve('pay.card', { description: 'now with a hook' }, () => ({ after: true }));
    await until(async () => (await as('ann').show('me', one.call)).stale === 'card');
    expect((await as('ann').vote('approve', one)).state).toBe('approved');
    const error = await errorOf(me.wait(one.call));
    expect([error.code, error.status]).toEqual(['approval_stale', 'refused']);
    await after.close(0);
  });

  test('an approved call waits for its agent, and is not given to another', async () => {
    const done: string[] = [];
    const slow = await mesh.connect('slow', { concurrency: 1 });
    let release: () => void = () => undefined;
    await slow.serve('pay.slow', async (body) => {
      const { amount } = body as { amount: number };
      if (amount === 1) {
        await new Promise<void>((resolve) => (release = resolve));
      }
      done.push(`slow ${amount}`);
      return {};
    });
    const busy = await me.send('pay.slow', { amount: 2_000 }, { timeoutMs: 20_000 });
    const held = await books.held(busy);
    expect(held.approval?.agent).toBe('slow');
    const blocking = me.call('pay.slow', { amount: 1 }, { timeoutMs: 20_000 });
    await until(async () => {
      type Page = { agents: { agent: string; instances: { inFlight: number }[] }[] };
      const page = await ask<Page>(mesh.operator, 'view.operator.agents', { agent: 'slow' });
      return page.agents[0]?.instances[0]?.inFlight === 1;
    });
    const other = await mesh.connect('bank2', { concurrency: 10 });
    await other.serve('pay.slow', (body) => {
      done.push(`bank2 ${(body as { amount: number }).amount}`);
      return {};
    });
    const shown = await until(async () => {
      const page = await as('ann').show('me', busy);
      return page.alternatives.some(({ agent, instances }) => agent === 'bank2' && instances > 0) && page;
    });
    expect((await as('ann').vote('approve', shown)).state).toBe('approved');
    await me.call('pay.slow', { amount: 3 }); // bank2 is free, and takes what is not approved for slow
    expect(done).toEqual(['bank2 3']);
    expect((await as('ann').show('me', busy)).missing).toEqual([]);
    release();
    await blocking;
    await me.wait(busy);
    expect(done).toEqual(['bank2 3', 'slow 1', 'slow 2000']);
    expect(books.decided(busy)).toMatchObject([{ agent: 'slow', approval: { by: ['ann'] } }]);
  });
});

describe('what is sealed wrong, or comes late', () => {
  test('votes that nobody sealed do not count, nor those that lie where they do not belong', async () => {
    const desk = await controlDesk(mesh);
    const one = await hold({ amount: 500_000 });
    const twin = await hold({ amount: 500_001 });
    await as('ann').vote('approve', one);
    const vote = { ...one, by: 'bob' as Token, vote: 'approve' as const, at: Date.now() };
    await desk.writeVote(one, 'bob', desk.seal(vote).replace('approve', 'approvE'));
    await desk.writeVote(one, 'lea', desk.seal({ ...vote, by: 'ann' as Token }));
    await desk.writeVote(twin, 'bob', desk.seal(vote));
    expect((await as('bob').show('me', one.call)).missing).toMatchObject([{ rule: 'huge', have: 1 }]);
    expect((await as('bob').show('me', twin.call)).missing).toHaveLength(2);
    // What a gateway is asked with by hand counts as little.
    const answers = [[], ['x'], [desk.seal(vote).replace('bob', 'lea')]].map((votes) =>
      desk.wake(one, votes),
    );
    expect(await Promise.all(answers)).toEqual(['held', 'held', 'held']);
    me.cancel(one.call);
    me.cancel(twin.call);
    expect((await errorOf(me.wait(one.call))).status).toBe('cancelled');
    expect([ranWith(500_000), ranWith(500_001)]).toEqual([0, 0]);
    await desk.close();
  });

  test('control dies between the vote and the wake: the next one counts again', async () => {
    const desk = await controlDesk(mesh);
    const one = await hold();
    await mesh.control.stop();
    await desk.writeVote(
      one,
      'ann',
      desk.seal({ ...one, by: 'ann' as Token, vote: 'approve', at: Date.now() }),
    );
    mesh.control = await runControl(mesh.as('control'));
    expect((await me.wait(one.call)).value).toEqual({ done: one.amount });
    expect([ranWith(one.amount), books.decided(one.call).length]).toEqual([1, 1]);
    await desk.close();
  });

  test('without a gateway a vote is kept, and after its time it is refused', async () => {
    const one = await hold();
    const soon = await hold({}, 'pay.soon');
    await mesh.gateways.splice(0)[0]?.stop(0);
    expect((await as('ann').vote('approve', one)).state).toBe('approved');
    await until(
      async () =>
        (await as('ann').vote('approve', { ...soon, digest: '0'.repeat(64) })).code === 'approval_expired',
    );
    expect((await as('ann').vote('approve', soon)).code).toBe('approval_expired');
    mesh.gateways.push(await runGateway(mesh.as('gateway')));
    expect((await me.wait(one.call)).value).toEqual({ done: one.amount });
    expect((await errorOf(me.wait(soon.call))).code).toBe('approval_expired');
    expect([ranWith(one.amount), ranWith(soon.amount)]).toEqual([1, 0]);
  });

  test('an approval under another policy is none', async () => {
    const one = await hold();
    const two = await hold();
    writeFileSync(mesh.policyFile, `${POLICY}\n# another day\n`);
    await until(async () => (await as('ann').show('me', one.call)).stale === 'policy');
    expect((await as('ann').vote('approve', one)).state).toBe('approved');
    const error = await errorOf(me.wait(one.call));
    expect([error.code, error.status]).toEqual(['approval_stale', 'refused']);
    expect((await as('ann').vote('deny', two)).state).toBe('denied');
    expect((await errorOf(me.wait(two.call))).code).toBe('approval_denied');
    expect([ranWith(one.amount), ranWith(two.amount)]).toEqual([0, 0]);
  });
});

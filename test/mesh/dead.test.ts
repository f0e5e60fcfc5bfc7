/**
 * Dead calls: looked at, replayed under the policy of now, discarded; and nobody gets a call in another's name out of it.
 */
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newCallId, type Mesh } from '../../src/agent/index.js';
import { runControl, type RunningControl } from '../../src/control/run.js';
import type { DeadPage, DeadRow } from '../../src/control/views/pages.js';
import { claim } from '../../src/fabric/claims.js';
import type { NatsConnection } from '../../src/fabric/connection.js';
import { readSecrets } from '../../src/fabric/keyring.js';
import { LightPublisher } from '../../src/fabric/publisher.js';
import { freshInbox } from '../../src/fabric/raw.js';
import type { DeadRecord, DecisionRecord, ErrorBody } from '../../src/wire/generated/messages.js';
import { encodeHeaders, header } from '../../src/wire/headers.js';
import { silent } from '../../src/wire/log.js';
import { heard, say, settled } from '../support/hostile.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';
import { die, outcomeOf, replaysOf, startPoison, type Poison } from '../support/poison.js';
import { ask } from '../support/views.js';

const POLICY = `version: 1
roles:
  everyone: { call: ['poison.>', 'maker.>'], mayRoot: true }
  worker: { serve: ['>'], call: ['poison.>'] }
members:
  alice: [everyone]
  bob: [everyone]
  poison: [worker]
  maker: [worker]
`;

let mesh: TestMesh;
let second: RunningControl;
let alice: Mesh;
let poison: Poison;
let operator: NatsConnection;
let other: NatsConnection;

beforeAll(async () => {
  mesh = await startTestMesh({
    users: {
      alice: 'caller',
      bob: 'caller',
      poison: 'agent',
      maker: 'agent',
      op2: 'operator',
      vera: 'viewer',
    },
    policy: POLICY,
    gateways: 2,
  });
  const { seed } = mesh.credentials('control');
  second = await runControl({
    url: mesh.url,
    name: 'control',
    seed,
    policyFile: mesh.policyFile,
    log: silent,
  });
  alice = await mesh.connect('alice');
  ({ operator } = mesh);
  other = await mesh.broker('op2');
  poison = await startPoison(mesh, 'poison', ['poison.work', 'poison.other', 'poison.gone', 'poison.old']);
  await until(async () => (await roster()) > 0);
});
afterAll(async () => {
  await second.stop();
  await mesh.stop();
});

async function roster(): Promise<number> {
  const { agents } = await ask<{ agents: { agent: string; instances: unknown[] }[] }>(
    operator,
    'view.operator.agents',
    {},
  );
  return agents.find(({ agent }) => agent === 'poison')?.instances.length ?? 0;
}

const rows = async (filter: object = {}): Promise<readonly DeadRow[]> =>
  (await ask<DeadPage>(operator, 'view.operator.dead', filter)).dead;

async function rowOf(call: string): Promise<DeadRow> {
  const [row] = await rows({ call });
  if (row === undefined) {
    throw new Error(`${call} does not lie in DEAD`);
  }
  return row;
}

interface Commanded {
  readonly state?: string;
  readonly call?: string;
  readonly code?: string;
}

function command(
  what: string,
  row: Pick<DeadRow, 'from' | 'call' | 'seq'>,
  more: object = {},
  by = 'operator',
): Promise<Commanded> {
  const { from, call, seq } = row;
  const nc = by === 'operator' ? operator : other;
  return ask<Commanded>(nc, `admin.${by}.${what}`, { from, call, seq, ...more });
}

/** A policy in force with all gateways: what is refused under it is refused, what is allowed is allowed. */
async function setPolicy(text: string): Promise<void> {
  writeFileSync(mesh.policyFile, text);
  const { compilePolicy } = await import('../../src/domain/policy.js');
  const { digest } = compilePolicy(text, 'f');
  // Gateways say it in every decision; asks go to any of them.
  const probe = await mesh.broker('bob');
  let same = 0;
  await until(async () => {
    const id = newCallId();
    const { headers } = await import('@nats-io/transport-node');
    const h = headers();
    h.set('Mesh-Call', id);
    await probe.request('mesh.v1.ask.bob.nowhere.at-all', '{}', { headers: h, timeout: 5_000 });
    const request = JSON.stringify({ last_by_subj: 'mesh.v1.decision.none.nowhere.at-all' });
    const reply = await operator.request('$JS.API.STREAM.MSG.GET.DECISIONS', request);
    const hdrs = Buffer.from(reply.json<{ message: { hdrs: string } }>().message.hdrs, 'base64').toString();
    same = hdrs.includes(digest) ? same + 1 : 0;
    return same >= 12; // two gateways: both have been asked
  });
}

describe('looking', () => {
  test('lists with filters and pages, and shows one with its history', async () => {
    const before = Date.now();
    const [a, b] = await Promise.all([
      die(alice, 'poison.work', { n: 1 }, { labels: { team: 'docs' } }),
      die(alice, 'poison.other', { n: 2 }),
    ]);
    expect(new Set((await rows()).map(({ call }) => call))).toEqual(new Set([a, b]));
    const only = async (filter: object): Promise<string[]> => (await rows(filter)).map(({ call }) => call);
    expect(await only({ pattern: 'poison.other' })).toEqual([b]);
    expect(await only({ pattern: 'other.>' })).toEqual([]);
    expect(await only({ from: 'bob' })).toEqual([]);
    expect(await only({ before })).toEqual([]);
    expect(await only({ since: before })).toHaveLength(2);
    const first = await ask<DeadPage>(operator, 'view.operator.dead', { limit: 1 });
    expect([first.dead.length, first.truncated]).toEqual([1, true]);
    const next = await ask<DeadPage>(operator, 'view.operator.dead', { limit: 1, after: first.next });
    expect([next.dead.length, next.truncated, next.dead[0]?.call]).not.toContain(first.dead[0]?.call);

    expect(await rowOf(a)).toMatchObject({
      from: 'alice',
      capability: 'poison.work',
      why: 'the attempt timed out',
      attempts: 5,
      bytes: 7,
      chain: ['alice'],
      headers: { 'Mesh-Labels': 'team=docs', 'Mesh-Major': '1' },
      timeoutMs: expect.closeTo(25_000, -2) as number,
      history: Array.from({ length: 5 }, () => expect.objectContaining({ agent: 'poison' }) as object),
    });
    const { body } = await ask<{ body: string }>(operator, 'admin.operator.body', await rowOf(a).then(name));
    expect(JSON.parse(Buffer.from(body, 'base64').toString())).toEqual({ n: 1 });
  });

  test('a viewer looks, and neither reads bodies nor commands', async () => {
    const vera = await mesh.broker('vera');
    const page = await ask<DeadPage>(vera, 'view.vera.dead', {});
    expect(page.dead.length).toBeGreaterThan(0);
    const row = page.dead[0] as DeadRow;
    for (const what of ['body', 'replay', 'discard', 'release', 'cancel']) {
      await expect(
        vera.request(`mesh.v1.admin.vera.${what}`, JSON.stringify(name(row)), { timeout: 1_000 }),
      ).rejects.toThrow(/permission|timeout/i);
      await expect(
        vera.request(`mesh.v1.admin.operator.${what}`, JSON.stringify(name(row)), { timeout: 1_000 }),
      ).rejects.toThrow(/permission|timeout/i);
    }
    expect(await rows({ call: row.call })).toHaveLength(1);
  });

  test.each([
    ['replay', {}, 'schema_violation'],
    ['replay', { from: 'alice', call: 'x', seq: 0 }, 'schema_violation'],
    ['replay', { from: 'alice', call: 'x', seq: 1.5 }, 'schema_violation'],
    ['replay', { from: 'alice', call: 'x', seq: 1, timeoutMs: 0 }, 'schema_violation'],
    ['replay', { from: 'alice', call: 'x', seq: 1, body: '{}' }, 'schema_violation'],
    ['replay', { from: 'alice', call: 'x', seq: 1 }, 'not_found'],
    ['replay', { from: 'alice', call: 'x', seq: 999_999 }, 'not_found'],
    ['discard', { from: 'alice', call: 'x', seq: 1 }, 'not_found'],
    ['body', { from: 'bob', call: 'x', seq: 1 }, 'not_found'],
    ['release', { from: 'alice', call: 'x.y' }, 'name_invalid'],
    ['cancel', { from: 'alice', call: newCallId() }, 'not_found'],
    ['resurrect', { from: 'alice' }, 'not_found'],
  ])('%s %j: %s', async (what, body, code) => {
    expect((await ask<ErrorBody>(operator, `admin.operator.${what}`, body)).code).toBe(code);
  });

  test('bodies that are no JSON', async () => {
    expect((await ask<ErrorBody>(operator, 'admin.operator.replay', '{"a":')).code).toBe('body_undecodable');
    expect((await ask<ErrorBody>(operator, 'view.operator.dead', { pattern: 'a..b' })).code).toBe(
      'name_invalid',
    );
  });
});

const name = ({ from, call, seq }: DeadRow): object => ({ from, call, seq });

describe('replay', () => {
  test('is a new call of the same caller with the same body and key, and the dead one is gone', async () => {
    const dead = await rowOf((await rows({ pattern: 'poison.work' }))[0]?.call ?? '');
    poison.mended = true;
    const from = poison.given.length;
    const { state, call = '' } = await command('replay', dead);
    expect([state, call === dead.call]).toEqual(['replayed', false]);
    expect(await outcomeOf(operator, 'alice', call)).toBe('completed');
    expect(poison.given.slice(from)).toEqual([
      { capability: 'poison.work', call, key: `alice.${dead.call}`, body: { n: 1 } },
    ]);
    expect(await rows({ call: dead.call })).toEqual([]);
    const [record, ...more] = await replaysOf(operator, `alice.${dead.call}`);
    expect(more).toEqual([]);
    expect(record).toMatchObject({
      verdict: 'allow',
      from: 'alice',
      call,
      by: 'operator',
      root: `alice.${call}`,
      chain: ['alice', 'poison/poison.work'],
      labels: { team: 'docs' },
    });
    expect(await outcomeOf(operator, 'alice', dead.call)).toBe('unknown poison');
    expect((await command('replay', dead)).code).toBe('not_found');
    const { calls } = await ask<{ calls: object[] }>(operator, 'view.operator.call', { call });
    expect(calls).toMatchObject([{ replays: `alice.${dead.call}`, by: 'operator', status: 'completed' }]);
  });

  test('a dry one says what would become of it, and changes nothing', async () => {
    const dead = await rowOf((await rows({ pattern: 'poison.other' }))[0]?.call ?? '');
    const before = poison.given.length;
    expect(await command('replay', dead, { dry: true })).toEqual({ state: 'would_replay' });
    expect([poison.given.length, (await rows({ call: dead.call })).length]).toEqual([before, 1]);
    expect(await replaysOf(operator, `alice.${dead.call}`)).toEqual([]);
  });

  test('a replay that dies again lies there again, and keeps the key of the first', async () => {
    const dead = await rowOf((await rows({ pattern: 'poison.other' }))[0]?.call ?? '');
    poison.mended = false;
    const { call = '' } = await command('replay', dead, { timeoutMs: 20_000 });
    expect(await outcomeOf(operator, 'alice', call)).toBe('unknown poison');
    const again = await rowOf(call);
    expect(again).toMatchObject({ replays: `alice.${dead.call}`, attempts: 5 });
    poison.mended = true;
    const third = await command('replay', again);
    expect(await outcomeOf(operator, 'alice', third.call ?? '')).toBe('completed');
    expect(poison.given.at(-1)).toMatchObject({ call: third.call, key: `alice.${dead.call}` });
    expect(await rows({ pattern: 'poison.other' })).toEqual([]);
  });

  test('two operators at once, over two controls and two gateways, make exactly one new call', async () => {
    poison.mended = false;
    const ids = await Promise.all(
      Array.from({ length: 6 }, (_, n) => die(alice, 'poison.work', { race: n })),
    );
    poison.mended = true;
    for (const id of ids) {
      const dead = await rowOf(id);
      const before = poison.given.length;
      const tries = Array.from({ length: 12 }, (_, n) =>
        command('replay', dead, {}, n % 2 === 0 ? 'operator' : 'op2'),
      );
      const told = await Promise.all(tries);
      const made = new Set(told.flatMap(({ state, call }) => (state === 'replayed' ? [call] : [])));
      expect(made.size).toBe(1);
      const others = told.filter(({ state }) => state !== 'replayed').map(({ code }) => code);
      expect(others.filter((code) => code !== 'not_found' && code !== 'unavailable')).toEqual([]);
      const [call] = made;
      expect(await outcomeOf(operator, 'alice', call ?? '')).toBe('completed');
      expect((await replaysOf(operator, `alice.${id}`)).map((one) => one.call)).toEqual([call]);
      expect(poison.given.slice(before).map((one) => one.call)).toEqual([call]);
      await until(async () => (await rows({ call: id })).length === 0);
    }
  });

  test('that was accepted by a control that died at once is found, and not made again', async () => {
    poison.mended = false;
    const id = await die(alice, 'poison.work', { crash: true });
    poison.mended = true;
    const dead = await rowOf(id);
    const control = await mesh.broker('control');
    const { value: call } = await claim(control, `replay.alice.${id}`, newCallId());
    const { headers } = await import('@nats-io/transport-node');
    const h = headers();
    h.set(header.instance, 'control-that-dies');
    const wanted = JSON.stringify({ seq: dead.seq, of: `alice.${id}`, call, by: 'operator' });
    const reply = await control.request('mesh.v1.replay', wanted, { headers: h, timeout: 5_000 });
    expect(reply.json()).toEqual({ state: 'decided' });
    expect(await outcomeOf(operator, 'alice', call)).toBe('completed');
    expect(await rows({ call: id })).toHaveLength(1);
    expect(await command('replay', dead)).toEqual({ state: 'replayed', call });
    expect(await replaysOf(operator, `alice.${id}`)).toHaveLength(1);
    expect(await rows({ call: id })).toEqual([]);
  });

  test('waits in DEAD while nobody is free', async () => {
    const gone = await startPoison(mesh, 'maker', ['maker.narrow']);
    const id = await die(alice, 'maker.narrow', {});
    const dead = await rowOf(id);
    await gone.stop();
    await until(async () => (await command('replay', dead, { dry: true })).state === 'held');
    await until(async () => (await command('replay', dead)).state === 'held'); // the other gateway noticed too
    expect(await replaysOf(operator, `alice.${id}`)).toEqual([]);
    expect(await rows({ call: id })).toHaveLength(1);
    const back = await startPoison(mesh, 'maker', ['maker.narrow']);
    back.mended = true;
    const { call = '' } = await until(async () => {
      const said = await command('replay', dead);
      return said.state === 'replayed' ? said : undefined;
    });
    expect(await outcomeOf(operator, 'alice', call)).toBe('completed');
    await back.stop();
  });
});

describe('the policy of now', () => {
  afterAll(() => setPolicy(POLICY));

  test('a caller that lost the grant is refused, that is recorded, and the dead call stays', async () => {
    poison.mended = false;
    const id = await die(alice, 'poison.work', { policy: 1 });
    poison.mended = true;
    const dead = await rowOf(id);
    await setPolicy(POLICY.replace("call: ['poison.>', 'maker.>'], mayRoot", "call: ['maker.>'], mayRoot"));
    const before = poison.given.length;
    const first = await command('replay', dead);
    const again = await command('replay', dead);
    expect([first.code, again.code]).toEqual(['not_granted', 'not_granted']);
    expect(await command('replay', dead, { dry: true })).toMatchObject({ code: 'not_granted' });
    const refused = await replaysOf(operator, `alice.${id}`);
    expect(refused).toMatchObject([
      { verdict: 'refuse', by: 'operator', call: first.call },
      { verdict: 'refuse', by: 'operator', call: again.call },
    ]);
    expect(await outcomeOf(operator, 'alice', first.call ?? '')).toBe('refused not_granted');
    await setPolicy(POLICY.replace(', mayRoot: true', ''));
    expect((await command('replay', dead)).code).toBe('root_denied');
    expect([poison.given.length, (await rows({ call: id })).length]).toEqual([before, 1]);
    await setPolicy(POLICY);
    const { call = '' } = await command('replay', dead);
    expect(await outcomeOf(operator, 'alice', call)).toBe('completed');
  });

  test('a child keeps the chain it had: it gains no authority by being replayed', async () => {
    const maker = await mesh.connect('maker');
    await maker.serve('maker.ask', { version: '2.0', idempotent: true }, async (_: unknown, ctx) => {
      await ctx.call('poison.work', { child: true }, { timeoutMs: 20_000 }).catch(() => undefined);
      return {};
    });
    poison.mended = false;
    await alice.call('maker.ask', {}, { timeoutMs: 25_000 });
    poison.mended = true;
    const [found] = await rows({ from: 'maker' });
    const dead = await rowOf(found?.call ?? '');
    expect(dead.chain).toEqual(['alice', 'maker/maker.ask']);
    // The agent may still, the one it did it for may not.
    await setPolicy(
      POLICY.replace("everyone: { call: ['poison.>', 'maker.>']", "everyone: { call: ['maker.>']"),
    );
    expect((await command('replay', dead)).code).toBe('not_granted');
    await setPolicy(POLICY.replace('alice: [everyone]', 'alice: []'));
    expect((await command('replay', dead)).code).toBe('root_denied');
    await setPolicy(POLICY);
    const { call = '' } = await command('replay', dead);
    expect(await outcomeOf(operator, 'maker', call)).toBe('completed');
    const [, , last] = await replaysOf(operator, `maker.${dead.call}`);
    expect(last).toMatchObject({ from: 'maker', chain: ['alice', 'maker/maker.ask', 'poison/poison.work'] });
    await maker.close(0);
  });

  test('a capability that is gone: capability_unknown, and the dead call stays', async () => {
    poison.mended = false;
    const id = await die(alice, 'poison.gone', {});
    poison.mended = true;
    const dead = await rowOf(id);
    await ask(operator, 'admin.operator.forget', { agent: 'poison' });
    await until(async () => (await command('replay', dead, { dry: true })).code === 'capability_unknown');
    await until(async () => (await command('replay', dead)).code === 'capability_unknown');
    expect(await rows({ call: id })).toHaveLength(1);
    await poison.stop();
    poison = await startPoison(mesh, 'poison', ['poison.work', 'poison.other', 'poison.old']);
    poison.mended = true;
    await until(async () => (await command('replay', dead)).code === 'capability_unknown');
    expect(await command('discard', dead)).toEqual({ state: 'discarded' });
    expect(await rows({ call: id })).toEqual([]);
    expect((await command('discard', dead)).code).toBe('not_found');
  });
});

describe('older than anything', () => {
  let ingress = '';
  let pub: LightPublisher;

  beforeAll(async () => {
    const gateway = await mesh.broker('gateway');
    ({ ingress } = await readSecrets(gateway));
    pub = new LightPublisher(gateway, freshInbox(gateway));
    await until(async () => (await roster()) > 0);
  });
  afterAll(() => pub.close());

  const write = async (word: string, record: object, body = '{}'): Promise<void> => {
    const headers = encodeHeaders([[header.record, JSON.stringify(record)]]);
    const ack = await pub.publishAsync(`_k.${ingress}.${word}`, Buffer.from(body), headers);
    expect(ack.kind).toBe('stored');
  };
  const record = (call: string, more: Partial<DeadRecord> = {}): DeadRecord => ({
    v: 1,
    from: 'alice',
    call,
    capability: 'poison.old',
    why: 'long ago',
    history: [],
    chain: ['alice'],
    headers: {},
    at: 1,
    ...more,
  });
  const YEARS_AGO = newCallId(1_500_000_000_000);

  test('a record from before everything the streams remember is replayed like any other', async () => {
    await write('dead.poison.old', record(YEARS_AGO), '{"old":true}');
    const dead = await rowOf(YEARS_AGO);
    expect(dead.at).toBe(1);
    const { state, call = '' } = await command('replay', dead);
    expect(state).toBe('replayed');
    expect(await outcomeOf(operator, 'alice', call)).toBe('completed');
    expect(poison.given.at(-1)).toMatchObject({ key: `alice.${YEARS_AGO}`, body: { old: true } });
  });

  test('one that does not say for whom it was done is refused', async () => {
    const id = newCallId(1_400_000_000_000);
    const { chain: _chain, headers: _headers, ...bare } = record(id);
    await write('dead.poison.old', bare);
    const dead = await rowOf(id);
    expect((await command('replay', dead)).code).toBe('ticket_invalid');
    expect(await command('discard', dead)).toEqual({ state: 'discarded' });
  });

  test('one that was never decided is judged by the ticket it came with', async () => {
    const id = newCallId();
    const { chain: _chain, ...undecided } = record(id, { headers: { 'Mesh-Ticket': '{"forged":true}.mac' } });
    await write('dead.poison.old', undecided);
    expect((await command('replay', await rowOf(id))).code).toBe('ticket_invalid');
    const root = newCallId();
    const { chain: _none, ...plain } = record(root, { headers: { 'Mesh-Call': root } });
    await write('dead.poison.old', plain);
    expect((await command('replay', await rowOf(root))).state).toBe('replayed');
  });

  test('an id that somebody left long ago: replaced when nothing came of it, kept when something did', async () => {
    const control = await mesh.broker('control');
    const stale = newCallId(Date.now() - 600_000);
    const unused = newCallId();
    await write('dead.poison.old', record(unused));
    await claim(control, `replay.alice.${unused}`, stale);
    const { state, call } = await command('replay', await rowOf(unused));
    expect([state, call === stale]).toEqual(['replayed', false]);

    const used = newCallId();
    const decided = newCallId(Date.now() - 600_000);
    await write('dead.poison.old', record(used));
    await claim(control, `replay.alice.${used}`, decided);
    const done: Partial<DecisionRecord> = {
      v: 1,
      verdict: 'allow',
      gateway: mesh.gateways[0]?.gateway ?? '',
      from: 'alice',
      call: decided,
      at: Date.now() - 600_000,
    };
    await write('decision.poison.poison.old', done);
    const before = poison.given.length;
    expect(await command('replay', await rowOf(used))).toEqual({ state: 'replayed', call: decided });
    expect([poison.given.length, (await rows({ call: used })).length]).toEqual([before, 0]);
  });
});

describe('nobody else begins a call in the name of another', () => {
  test('only control speaks on the subject of replays', async () => {
    const spy = await mesh.broker('operator');
    for (const user of ['alice', 'poison', 'vera', 'op2', 'gateway']) {
      const nc = await mesh.broker(user);
      const got = await heard(spy, 'mesh.v1.replay', undefined, () => say(nc, 'mesh.v1.replay', '{}'));
      await settled(nc, spy);
      expect([user, got.length]).toEqual([user, 0]);
    }
    const control = await mesh.broker('control');
    const got = await heard(spy, 'mesh.v1.replay', undefined, () => say(control, 'mesh.v1.replay', '{}'));
    expect(got).toHaveLength(1);
  });

  test('bytes that the server writes there replay nothing, and a request names what lies there', async () => {
    poison.mended = false;
    const id = await die(alice, 'poison.work', { hostile: true });
    poison.mended = true;
    const dead = await rowOf(id);
    const raw = await mesh.broker('alice');
    // The acknowledgement of a call goes to the reply subject that its caller chose.
    const call = newCallId();
    const before = poison.given.length;
    await say(raw, 'mesh.v1.call.alice.poison.none', '{}', { 'Mesh-Call': call }, 'mesh.v1.replay');
    await outcomeOf(operator, 'alice', call);
    const control = await mesh.broker('control');
    const { headers } = await import('@nats-io/transport-node');
    const h = headers();
    h.set(header.instance, 'x');
    const forged = { seq: dead.seq, of: 'bob.somewhere', call: newCallId(), by: 'operator' };
    const reply = await control.request('mesh.v1.replay', JSON.stringify(forged), {
      headers: h,
      timeout: 5_000,
    });
    expect(reply.json()).toEqual({ state: 'gone' });
    expect(await replaysOf(operator, `alice.${id}`)).toEqual([]);
    expect(poison.given.length).toBe(before);
    expect((await command('replay', dead)).state).toBe('replayed'); // the same step by somebody entitled
  });
});

/**
 * Parts of the chain in processes of their own: what they may do on the broker, what a gateway believes of their answers,
 * and what becomes of calls when they are gone.
 */
import { headers as natsHeaders } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Mesh, MeshError } from '../../src/agent/index.js';
import { startChild } from '../../src/cli/up/child.js';
import type { Msg, NatsConnection } from '../../src/fabric/connection.js';
import { readSecrets } from '../../src/fabric/keyring.js';
import { headersOf } from '../../src/fabric/raw.js';
import { tail } from '../../src/fabric/reader.js';
import { runGateway } from '../../src/gateway/run.js';
import { runInterceptor } from '../../src/gateway/split/interceptor.js';
import { askedDigest } from '../../src/wire/asked.js';
import type { Check, DecisionRecord } from '../../src/wire/generated/messages.js';
import { fromBody } from '../../src/wire/errors.js';
import { header } from '../../src/wire/headers.js';
import { publishing, say, settled, subscribing, type Attack } from '../support/hostile.js';
import { pace, startTestMesh, until, type TestMesh } from '../support/mesh.js';

/** Ask: the attack has succeeded when an answer comes. */
function requesting(
  name: string,
  attacker: NatsConnection,
  entitled: NatsConnection,
  to: string,
  body = '',
): Attack {
  const by = (nc: NatsConnection) => async () =>
    await nc.request(to, body, { timeout: 400 }).then(
      () => true,
      () => false,
    );
  return { name: `broker: ${name}`, attempt: by(attacker), control: by(entitled) };
}

const POLICY = `version: 1
roles:
  buyer: { call: ['pay.>'], mayRoot: true }
  guest: { mayRoot: true }
  bank: { serve: ['pay.>'], call: ['pay.small'] }
members:
  me: [buyer]
  eve: [guest]
  bank: [bank]
rules:
  - { name: no-gold, match: { capability: ['pay.>'] }, when: 'has(args.gold)', effect: deny, reason: we do not }
  - { name: keep, match: { capability: ['pay.kept'] }, effect: allow, obligations: { keep: a year } }
`;
const schema = { type: 'object', properties: { amount: { type: 'number' } } };

let mesh: TestMesh;
let me: Mesh;
let eve: Mesh;
let runs = 0;
const records: DecisionRecord[] = [];
let untail: () => void;
const raw: Record<string, NatsConnection> = {};

beforeAll(async () => {
  const users = { me: 'caller', eve: 'caller', bank: 'agent' } as const;
  mesh = await startTestMesh({ users, policy: POLICY, split: ['authority', 'policy'] });
  for (const name of ['authority', 'policy', 'gateway', 'control', 'bank', 'me']) {
    raw[name] = await mesh.broker(name);
  }
  untail = await tail(mesh.operator, 'DECISIONS', ({ headers }) => {
    records.push(JSON.parse(headers.get(header.record) ?? '{}') as DecisionRecord);
  });
  const bank = await mesh.connect('bank', { concurrency: 512 });
  await bank.serve('pay.small', { input: schema, idempotent: true }, () => ({ runs: ++runs }));
  await bank.serve('pay.kept', () => ({ runs: ++runs }));
  await bank.serve('pay.twice', (_: unknown, ctx) => ctx.call('pay.small', { amount: 1 }));
  [me, eve] = [await mesh.connect('me'), await mesh.connect('eve')];
});
afterAll(async () => {
  untail();
  await mesh.stop();
});

const codeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'completed',
    (err: MeshError) => err.code,
  );

/** A call whose deadline was over when it was made. */
async function askLate(): Promise<void> {
  const headers = natsHeaders();
  headers.set(header.deadline, '1');
  const reply = await raw['me']?.request('mesh.v1.ask.me.pay.small', '{}', { headers, timeout: 5_000 });
  throw fromBody(reply?.json());
}

/** What was decided of the newest call, without what differs from call to call. */
async function decided(act: () => Promise<unknown>): Promise<object> {
  const before = records.length;
  const code = await codeOf(act());
  const [record] = await until(() => (records.length > before ? records.slice(before) : undefined));
  const { verdict, guard, chain, rules, obligations, labels, context, policy } = record as DecisionRecord;
  return { code, verdict, guard, chain, rules, obligations, labels, context, policy };
}

test('the same calls are decided alike by a split and by a fused gateway, side by side', async () => {
  const calls: readonly (() => Promise<unknown>)[] = [
    () => me.call('pay.small', { amount: 1 }, { labels: { tenant: 'north' }, context: 'c1' }),
    () => me.call('pay.kept', {}),
    () => me.call('pay.small', { amount: 1, gold: 1 }),
    () => me.call('pay.small', { amount: 'x', gold: 1 }),
    () => me.call('pay.nothing', { gold: 1 }),
    () => eve.call('pay.small', { amount: 'x' }),
    () => eve.call('pay.nothing'),
    () => askLate(),
  ];
  const all = async () => {
    const list: object[] = [];
    for (const call of calls) {
      list.push(await decided(call));
    }
    return list;
  };
  const [split] = mesh.gateways;
  const apart = await all();
  const fused = await runGateway({ ...mesh.as('gateway'), split: [] });
  mesh.gateways.push(fused);
  await split?.stop();
  expect(await all()).toEqual(apart);
  mesh.gateways[0] = await runGateway(mesh.as('gateway'));
  expect(await codeOf(me.call('pay.twice', {}))).toBe('completed'); // a child call, with both there
  await mesh.gateways.pop()?.stop();
  expect(apart.map((one) => (one as { code: string }).code)).toEqual([
    'completed',
    'completed',
    'policy_denied',
    'schema_violation',
    'capability_unknown',
    'not_granted',
    'not_granted',
    'deadline_past',
  ]);
});

describe('what an interceptor may do on the broker', () => {
  const to = (name: string) => `mesh.v1.stage.${name}.gw-1.nonce-1`;

  test('nothing but speak for its own stage', async () => {
    const { authority, policy, gateway, control, bank, me: caller } = raw as Record<string, NatsConnection>;
    const nc = { authority, policy, gateway, control, bank, caller } as Record<string, NatsConnection>;
    const [pol, auth, gw, ctl] = [nc['policy'], nc['authority'], nc['gateway'], nc['control']] as [
      NatsConnection,
      NatsConnection,
      NatsConnection,
      NatsConnection,
    ];
    const { ingress } = await readSecrets(gw);
    const secret = `_k.${ingress}`;
    const keys = '$JS.API.DIRECT.GET.KV_mesh_keys.$KV.mesh_keys';
    const asks = (mark: string) => say(gw, 'mesh.v1.check.authority.gw-1', mark, { 'Mesh-Mark': mark });
    const attacks: Attack[] = [
      publishing('policy as authority', pol, auth, mesh.operator, () => to('authority')),
      publishing('authority as policy', auth, pol, mesh.operator, () => to('policy')),
      publishing('an agent as authority', nc['bank'] as NatsConnection, auth, gw, () => to('authority')),
      publishing('a caller as policy', nc['caller'] as NatsConnection, pol, gw, () => to('policy')),
      publishing('a gateway as authority', gw, auth, mesh.operator, () => to('authority')),
      publishing('an interceptor asks', auth, gw, mesh.operator, () => 'mesh.v1.check.policy.gw-1'),
      publishing('a task', auth, gw, mesh.operator, () => 'mesh.v1.task.bank.abc.pay.small'),
      publishing(
        'a call as somebody',
        auth,
        nc['caller'] as NatsConnection,
        mesh.operator,
        () => 'mesh.v1.call.me.pay.small',
      ),
      publishing('a beat', auth, nc['bank'] as NatsConnection, mesh.operator, () => 'mesh.v1.beat.bank.x'),
      requesting('a decision', auth, gw, `${secret}.decision.bank.pay.small`, '{}'),
      requesting('an outcome', pol, gw, `${secret}.settle.me.01k000000000000000000000aa`, '{}'),
      requesting('the policy', pol, ctl, '$KV.mesh_policy.spare', '{}'),
      requesting('a card', auth, ctl, '$KV.mesh_registry.user.spare', '{}'),
      requesting('the ring with the secret of the ingress', auth, gw, `${keys}.ring`),
      requesting('the ring of another stage', pol, auth, `${keys}.authority`),
      requesting('a stream that shows the secret', auth, gw, '$JS.API.STREAM.INFO.DECISIONS'),
      requesting('an old decision', pol, gw, '$JS.API.DIRECT.GET.DECISIONS', '{"seq":1}'),
      subscribing('the questions of another stage', pol, auth, 'mesh.v1.check.authority.gw-1', asks, {
        attacker: 'interceptor',
        entitled: 'interceptor',
      }),
      subscribing('its questions beside its group', auth, mesh.operator, 'mesh.v1.check.authority.*', asks),
      subscribing('answers', pol, gw, 'mesh.v1.stage.policy.*.*', (mark) =>
        say(pol, `mesh.v1.stage.policy.gw-1.${mark}`, mark),
      ),
    ];
    // The entitled user shares the work with the interceptor that runs: one that listens alone hears all.
    await Promise.all(mesh.interceptors.splice(0).map((one) => one.stop()));
    for (const { name, attempt, control: works } of attacks) {
      expect([name, await attempt()]).toEqual([name, false]);
      expect([name, await works()]).toEqual([name, true]); // the control
    }
  });
});

/** What one false answer says, beside what every answer says. */
type False = (check: Check, text: string, msg: Msg) => object;

const honest: False = ({ from, at }, text, msg) => ({
  asked: askedDigest(text, msg.data),
  proven: { root: `${from}.x`, chain: [from], deadlineMs: at + 20_000 },
});

/** Answer the questions of authority in its name, with valid credentials. */
async function answering(says: False): Promise<() => void> {
  const nc = raw['authority'] as NatsConnection;
  const sub = nc.subscribe('mesh.v1.check.authority.*', {
    queue: 'interceptor',
    callback: (_, msg) => {
      const text = headersOf(msg).get(header.check);
      if (text !== undefined && msg.reply !== undefined) {
        const check = JSON.parse(text) as Check;
        const said = { v: 1, policy: check.policy, verdict: 'allow', ...says(check, text, msg) };
        void say(nc, msg.reply, '', { 'Mesh-Stage': JSON.stringify(said) });
      }
    },
  });
  await nc.flush();
  return () => sub.unsubscribe();
}

describe('what a gateway believes', () => {
  beforeAll(async () => {
    mesh.interceptors.push(await runInterceptor(mesh.as('policy')));
  });

  async function callUnder(
    says: False,
    context = 'c',
  ): Promise<{ code: string; ran: number; record: DecisionRecord }> {
    const stop = await answering(says);
    const [ran, before] = [runs, records.length];
    const code = await codeOf(me.call('pay.small', { amount: 1 }, { context }));
    const record = await until(() => records[before]);
    stop();
    return { code, ran: runs - ran, record };
  }

  test('an answer of the stage to this question', async () => {
    expect(await callUnder(honest)).toMatchObject({ code: 'completed', ran: 1 });
  });

  const proven = { root: 'r', chain: ['me'], deadlineMs: Date.now() + 60_000 };
  const wrong: Readonly<Record<string, object>> = {
    'an answer to another question': { asked: askedDigest('{}', Buffer.from('')) },
    'an answer that names no question': { asked: undefined },
    'an answer under another policy': { policy: 'another' },
    'a chain that does not end with the caller': { proven: { ...proven, chain: ['me', 'eve/pay.small'] } },
    'no chain': { proven: { ...proven, chain: undefined } },
    'a deadline beyond any life': { proven: { ...proven, deadlineMs: 9e15 } },
    'a hold, which is not of this stage': { verdict: 'hold', approval: { rules: [{}], expires: 9e15 } },
    'a verdict that is none': { verdict: 'yes' },
    'no verdict': { verdict: undefined },
    'nothing proven': { proven: null },
  };

  test('nothing else', async () => {
    const names = Object.keys(wrong);
    const stop = await answering((check, ...rest) => ({
      ...honest(check, ...rest),
      ...wrong[names[Number(check.headers[header.context])] ?? ''],
    }));
    const ran = runs;
    const codes = names.map((_, i) => codeOf(me.call('pay.small', { amount: 1 }, { context: String(i) })));
    const said = (await Promise.all(codes)).map((code, i) => [names[i], code]);
    expect(said).toEqual(names.map((name) => [name, 'interceptor_unavailable']));
    expect(runs).toBe(ran);
    expect(await codeOf(me.call('pay.small', { amount: 1 }, { context: 'honest' }))).toBe('completed');
    stop();
  });

  test('nothing in it that other stages prove', async () => {
    const more = {
      from: 'eve',
      who: 'eve',
      id: 'x',
      what: 'pay.kept',
      value: { gold: 1 },
      rules: ['mine'],
      approval: { by: ['eve'] },
      instance: { agent: 'eve' },
    };
    const said = await callUnder((...all) => {
      const { proven, ...rest } = honest(...all) as { proven: object };
      return { ...rest, proven: { ...proven, ...more } };
    });
    expect(said).toMatchObject({ code: 'completed', ran: 1 });
    expect(said.record).toMatchObject({ from: 'me', capability: 'pay.small', agent: 'bank' });
    expect(said.record.rules).toBeUndefined();
    expect(said.record.approval).toBeUndefined();
  });

  test('no answer of before, said again', async () => {
    let first: object | undefined;
    const replay: False = (...all) => (first ??= honest(...all));
    expect(await callUnder(replay)).toMatchObject({ code: 'completed', ran: 1 });
    expect(await callUnder(replay)).toMatchObject({ code: 'interceptor_unavailable', ran: 0 });
  });

  test('nothing that the server writes', async () => {
    const seen: string[] = [];
    const nc = raw['authority'] as NatsConnection;
    const sub = nc.subscribe('mesh.v1.check.authority.*', {
      queue: 'interceptor',
      callback: (_, msg) => void (msg.reply === undefined || headersOf(msg).empty ? 0 : seen.push(msg.reply)),
    });
    await nc.flush();
    const ran = runs;
    const call = codeOf(me.call('pay.small', { amount: 1 }));
    const reply = await until(() => seen[0]);
    // A publish to CALLS whose acknowledgement goes where the gateway waits for the answer.
    raw['bank']?.publish('mesh.v1.call.bank.pay.small', '{}', { reply });
    expect(await call).toBe('interceptor_unavailable');
    expect(runs).toBe(ran);
    sub.unsubscribe();
  });
});

describe('when interceptors are gone', () => {
  test('what nobody judges is refused in two seconds, and the gateway says what it lacks', async () => {
    await settled(...Object.values(raw));
    const [ran, began] = [runs, performance.now()];
    const error = await me.call('pay.small', { amount: 1 }).catch((err: MeshError) => err);
    expect(performance.now() - began).toBeLessThan(2_000);
    expect(error).toMatchObject({ code: 'interceptor_unavailable', retry: 'later', status: 'refused' });
    expect((error as MeshError).details['stage']).toBe('authority');
    expect(runs).toBe(ran);
    await until(() => mesh.gateways[0]?.sight.missing().join().includes('authority'));
  });

  test('one that comes in time is asked, and then nothing is missing', async () => {
    const call = codeOf(me.call('pay.small', { amount: 1 }));
    await pace(200);
    mesh.interceptors.push(await runInterceptor(mesh.as('authority')));
    expect(await call).toBe('completed');
    await until(() => mesh.gateways[0]?.sight.missing().length === 0);
  });

  test('one of two is killed under load: each call completes or is refused, and none runs unproven', async () => {
    const args = ['interceptor', 'authority', '--data', mesh.dir, '--url', mesh.url, '--config', 'none'];
    const children = await Promise.all([startChild({ args }), startChild({ args })]);
    await Promise.all(mesh.interceptors.splice(0).map((one) => one.stop()));
    mesh.interceptors.push(await runInterceptor(mesh.as('policy')));
    const [ran, codes] = [runs, new Map<string, number>()];
    let left = 3_000;
    const loops = Array.from({ length: 32 }, async () => {
      while (left-- > 0) {
        const code = await codeOf(me.call('pay.small', { amount: 1 }));
        codes.set(code, (codes.get(code) ?? 0) + 1);
      }
    });
    await until(() => left < 2_000);
    children[0]?.kill();
    await Promise.all(loops);
    await children[1]?.stop();
    const completed = codes.get('completed') ?? 0;
    expect(
      [...codes.keys()].filter((code) => !['completed', 'interceptor_unavailable'].includes(code)),
    ).toEqual([]);
    expect([...codes.values()].reduce((sum, n) => sum + n, 0)).toBe(3_000);
    expect(runs - ran).toBe(completed);
    expect(completed).toBeGreaterThanOrEqual(2_990);
  });

  test('an unknown stage has no interceptor', async () => {
    await expect(runInterceptor({ ...mesh.as('authority'), name: 'nothing' })).rejects.toMatchObject({
      code: 'usage',
    });
  });
});

/**
 * The rules of the policy on the real path: what they refuse, bind and hold, and what the records say of it.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Mesh, MeshError } from '../../src/agent/index.js';
import { compilePolicy } from '../../src/domain/policy.js';
import { tail } from '../../src/fabric/reader.js';
import { runControl } from '../../src/control/run.js';
import { runGateway } from '../../src/gateway/run.js';
import { callDigest } from '../../src/wire/digest.js';
import type { DecisionRecord, ParkedRecord } from '../../src/wire/generated/messages.js';
import { header } from '../../src/wire/headers.js';
import { pace, startTestMesh, until, type TestMesh } from '../support/mesh.js';
import { ask } from '../support/views.js';

const POLICY = `version: 1
roles:
  buyer: { call: ['pay.>', 'shop.>'], mayRoot: true }
  guest: { mayRoot: true }
  bank: { serve: ['pay.>'] }
  shop: { serve: ['shop.>'], call: ['pay.>'] }
  finance: {}
members:
  me: [buyer]
  eve: [guest]
  bank: [bank]
  shop: [shop]
  ann: [finance]
rules:
  - name: no-gold
    match: { capability: ['pay.>'] }
    when: has(args.currency) && args.currency == "XAU"
    effect: deny
    reason: we do not trade in gold
  - name: small-for-guests
    match: { capability: ['pay.transfer'], role: [guest] }
    when: args.amount < 10
    effect: allow
  - name: keep-the-receipt
    match: { capability: ['pay.transfer'], labels: { tenant: north } }
    effect: allow
    obligations: { keep: '10 years' }
  - name: large-needs-two
    match: { capability: ['pay.transfer'] }
    when: args.amount >= 1000
    effect: hold
    reason: four eyes
    approvers: [finance]
    count: 2
  - name: soon-or-never
    match: { capability: ['pay.soon'] }
    effect: hold
    approvers: [finance]
    expires: 1s
  - name: reads-what-is-not-there
    match: { capability: ['pay.odd'] }
    when: args.missing == 1
    effect: deny
`;

let mesh: TestMesh;
let me: Mesh;
let eve: Mesh;
let ran: number;
const decisions = new Map<string, DecisionRecord>();
const parked = new Map<string, ParkedRecord>();
const stops: (() => void)[] = [];

beforeAll(async () => {
  const users = { me: 'caller', eve: 'caller', ann: 'caller', bank: 'agent', shop: 'agent' } as const;
  mesh = await startTestMesh({ users, policy: POLICY });
  const record = <T>(m: { headers: { get(name: string): string | undefined } }) =>
    JSON.parse(m.headers.get(header.record) ?? '{}') as T;
  stops.push(
    await tail(mesh.operator, 'DECISIONS', (m) => {
      const one = record<DecisionRecord>(m);
      decisions.set(one.call, one);
    }),
    await tail(mesh.operator, 'PARKED', (m) => {
      const one = record<ParkedRecord>(m);
      parked.set(one.call, one);
    }),
  );
  me = await mesh.connect('me');
  eve = await mesh.connect('eve');
  const bank = await mesh.connect('bank', { concurrency: 100 });
  ran = 0;
  for (const name of ['pay.transfer', 'pay.soon', 'pay.odd']) {
    await bank.serve(name, () => ({ ran: ++ran }));
  }
  const shop = await mesh.connect('shop', { concurrency: 100 });
  await shop.serve('shop.order', (body: object, ctx) => ctx.call('pay.transfer', body));
  await me.call('pay.transfer', { amount: 1 });
});
afterAll(async () => {
  stops.forEach((stop) => stop());
  await mesh.stop();
});

const errorOf = (promise: Promise<unknown>): Promise<MeshError> =>
  promise.then(
    () => Promise.reject(new Error('it completed')),
    (err: MeshError) => err,
  );

/** Send what is held; the parked record. */
async function held(body: object, capability = 'pay.transfer', timeoutMs = 20_000): Promise<ParkedRecord> {
  const call = await me.send(capability, body, { timeoutMs });
  return await until(() => parked.get(call));
}

describe('deny and allow', () => {
  test('a rule refuses what a role lists, and the refusal names it', async () => {
    const before = ran;
    const error = await errorOf(me.call('pay.transfer', { amount: 5, currency: 'XAU' }));
    expect([error.code, error.status, error.details['rule']]).toEqual([
      'policy_denied',
      'refused',
      'no-gold',
    ]);
    expect(error.message).toContain('we do not trade in gold');
    const record = await until(() => decisions.get(error.call ?? ''));
    expect(record).toMatchObject({
      verdict: 'refuse',
      guard: 'policy',
      rules: ['no-gold'],
      policy: compilePolicy(POLICY, 'p').digest,
    });
    expect(ran).toBe(before);
  });

  test('a rule allows what no role lists, and nothing more', async () => {
    expect(await eve.call('pay.transfer', { amount: 9 })).toMatchObject({ ran });
    const large = await errorOf(eve.call('pay.transfer', { amount: 10 }));
    expect([large.code, large.details['rules']]).toEqual(['policy_unmet', ['small-for-guests']]);
    expect((await errorOf(eve.call('pay.soon', {}))).code).toBe('not_granted');
    expect((await errorOf(eve.call('shop.order', { amount: 1 }))).code).toBe('not_granted');
  });

  test('a rule that cannot be judged is a no', async () => {
    const error = await errorOf(me.call('pay.odd', { amount: 1 }));
    expect([error.code, error.details['rule']]).toEqual(['policy_error', 'reads-what-is-not-there']);
  });

  test('what a rule binds to stands in the decision', async () => {
    const call = await me.send('pay.transfer', { amount: 1 }, { labels: { tenant: 'north' } });
    await me.wait(call);
    expect(await until(() => decisions.get(call))).toMatchObject({
      verdict: 'allow',
      rules: ['keep-the-receipt'],
      obligations: { 'keep-the-receipt.keep': '10 years' },
    });
  });

  test('rules hold for calls that an agent makes for somebody', async () => {
    expect(await me.call('shop.order', { amount: 2 })).toMatchObject({ ran });
    const error = await errorOf(me.call('shop.order', { amount: 2, currency: 'XAU' }));
    expect(error.status).toBe('failed');
    const refused = await until(() =>
      [...decisions.values()].find((one) => one.from === 'shop' && one.error),
    );
    expect(refused).toMatchObject({ rules: ['no-gold'], chain: ['me', 'shop/shop.order'] });
  });
});

describe('hold', () => {
  test('a held call is parked with all that an approval must be for, and does not run', async () => {
    const before = ran;
    const body = { amount: 5_000 };
    const record = await held(body);
    expect(record).toMatchObject({
      why: 'approval',
      from: 'me',
      capability: 'pay.transfer',
      approval: {
        policy: compilePolicy(POLICY, 'p').digest,
        rules: [{ rule: 'large-needs-two', reason: 'four eyes', approvers: ['finance'], count: 2 }],
        expires: record.deadline,
        digest: callDigest('pay.transfer', Buffer.from(JSON.stringify(body))),
        agent: 'bank',
        root: `me.${record.call}`,
        chain: ['me'],
      },
    });
    expect(record.approval?.card).toHaveLength(22);
    type Page = { calls: { call: string; status: string; why: string }[] };
    const seen = await until(async () => {
      const page = await ask<Page>(mesh.operator, 'view.operator.calls', {});
      return page.calls.find((one) => one.call === record.call);
    });
    expect([seen.status, seen.why]).toEqual([
      'parked',
      'waits for approval by 2 of finance (rule large-needs-two)',
    ]);
    // Others of the same capability do not wait behind it.
    expect(await me.call('pay.transfer', { amount: 1 })).toEqual({ ran: before + 1 });
    me.cancel(record.call);
    const error = await errorOf(me.wait(record.call));
    expect([error.code, error.status]).toEqual(['cancelled', 'cancelled']);
    expect(ran).toBe(before + 1);
  });

  test('cancelled at once, or in the moment it is parked', async () => {
    for (let round = 0; round < 20; round++) {
      const call = await me.send('pay.transfer', { amount: 5_000 }, { timeoutMs: 10_000 });
      await pace(round % 5);
      me.cancel(call);
      expect((await errorOf(me.wait(call))).status).toBe('cancelled');
    }
  });

  test('nobody approves before the rule says, or before the deadline', async () => {
    const before = ran;
    const soon = held({}, 'pay.soon');
    const late = held({ amount: 5_000 }, 'pay.transfer', 1_500);
    for (const { call } of await Promise.all([soon, late])) {
      const error = await errorOf(me.wait(call));
      expect([error.code, error.status]).toEqual(['approval_expired', 'expired']);
      expect(await until(() => decisions.get(call))).toMatchObject({ guard: 'policy', status: 'expired' });
    }
    expect(decisions.get((await soon).call)?.rules).toEqual(['soon-or-never']);
    expect(ran).toBe(before);
  });

  test('an ask is held too, and told in the end', async () => {
    const nc = await mesh.broker('me');
    const reply = await nc.request('mesh.v1.ask.me.pay.soon', '{}', { timeout: 10_000 });
    expect(reply.headers?.get('Nats-Service-Error-Code')).toBe('approval_expired');
  });

  test('what is held outlives control and gateway', async () => {
    const { call } = await held({ amount: 5_000 }, 'pay.transfer', 6_000);
    await mesh.gateways.splice(0)[0]?.stop(0);
    await mesh.control.stop();
    mesh.control = await runControl(mesh.as('control'));
    mesh.gateways.push(await runGateway(mesh.as('gateway')));
    const error = await errorOf(me.wait(call));
    expect([error.code, error.status]).toEqual(['approval_expired', 'expired']);
  });
});

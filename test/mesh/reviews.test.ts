/**
 * Rules that ask another agent, on the real path: what its answers do, what counts as none, and what the records say.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Mesh, MeshError, TaskContext } from '../../src/agent/index.js';
import type { CallPage } from '../../src/control/views/pages.js';
import { tail } from '../../src/fabric/reader.js';
import type { DecisionRecord, OutcomeRecord, ParkedRecord } from '../../src/wire/generated/messages.js';
import { runGateway } from '../../src/gateway/run.js';
import { header } from '../../src/wire/headers.js';
import { limits } from '../../src/wire/limits.js';
import { newCallId } from '../../src/wire/ulid.js';
import { person } from '../support/approvals.js';
import { ask as view } from '../support/views.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';

const ask = (capability: string, more = '') => `ask: { capability: ${capability}, before: dispatch${more} }`;
const POLICY = `version: 1
roles:
  buyer: { call: ['pay.>', 'shop.>', 'report.>', 'law.>', 'slow.>'], mayRoot: true }
  bank: { serve: ['pay.>', 'report.>', 'both.>', 'slow.>'], call: ['pay.>'] }
  shop: { serve: ['shop.>'], call: ['pay.>'] }
  law: { serve: ['law.>', 'both.>'], call: ['pay.look'] }
  finance: {}
members:
  me: [buyer]
  bank: [bank]
  shop: [shop]
  law: [law]
  notary: [law]
  ann: [finance]
  gateway: [buyer]
rules:
  - { name: no-gold, match: { capability: ['pay.>'] }, when: 'has(args.currency) && args.currency == "XAU"', effect: deny }
  - name: sanctions
    match: { capability: ['pay.transfer'] }
    reason: the law wants it
    effect: ask
    ${ask('law.review', ', timeout: 10s')}
  - name: privacy
    match: { capability: ['pay.transfer'] }
    when: has(args.private)
    effect: ask
    ${ask('law.privacy', ', timeout: 10s, send: [labels]')}
  - { name: nobody-there, match: { capability: ['pay.nobody'] }, effect: ask, ${ask('law.nobody')} }
  - { name: itself, match: { capability: ['pay.itself'] }, effect: ask, ${ask('both.review', ', timeout: 500ms')} }
  - { name: quick, match: { capability: ['pay.quick'] }, effect: ask, ${ask('law.review', ', timeout: 300ms')} }
  - { name: patient, match: { capability: ['pay.patient'] }, effect: ask, ${ask('law.slow', ', timeout: 20s')} }
  - name: large
    match: { capability: ['pay.transfer'] }
    when: args.amount >= 1000
    effect: hold
    approvers: [finance]
  - name: clean
    match: { capability: ['report.>'] }
    effect: ask
    ask: { capability: law.output, before: outcome, timeout: 10s }
  - name: slow
    match: { capability: ['slow.report'] }
    effect: ask
    ask: { capability: law.slow, before: outcome, timeout: 20s }
  - name: everything
    match: { labels: { watch: all } }
    effect: ask
    ${ask('law.review', ', timeout: 10s')}
`;

interface Asked {
  readonly rule: string;
  readonly policy: string;
  readonly before: string;
  readonly call: string;
  readonly args?: { amount?: number; say?: unknown; how?: string };
  readonly output?: { text?: string };
}

let mesh: TestMesh;
let me: Mesh;
const ran: unknown[] = [];
const asked: Asked[] = [];
const decisions = new Map<string, DecisionRecord>();
const outcomes = new Map<string, OutcomeRecord>();
const parked = new Set<string>();
const stops: (() => void)[] = [];
/** Reviews of `pay.patient` that wait to be answered. */
const pending: ((answer: unknown) => void)[] = [];

const never = (ctx: TaskContext) =>
  new Promise<never>((_, reject) => ctx.signal.addEventListener('abort', () => reject(new Error('stopped'))));

/** What the reviewer says is in the arguments, so that each test has its own. */
function review(question: Asked, ctx: TaskContext): unknown {
  asked.push(question);
  const { how, say } = question.args ?? {};
  switch (how) {
    case 'silent':
      return never(ctx);
    case 'throws':
      throw new Error('I cannot say');
    case 'deep':
      return ctx.call('pay.look', {}).then(() => ({ allow: true }));
    case 'deep-asked':
      return ctx.call('pay.look', {}, { labels: { watch: 'all' } }).then(() => ({ allow: true }));
    default:
      return say ?? { allow: true };
  }
}

/** It says nothing until the test does. */
function slowReview(question: Asked): Promise<unknown> {
  asked.push(question);
  return new Promise((resolve) => pending.push(resolve));
}

beforeAll(async () => {
  const users = {
    me: 'caller',
    ann: 'caller',
    bank: 'agent',
    shop: 'agent',
    law: 'agent',
    notary: 'agent',
  } as const;
  mesh = await startTestMesh({ users, policy: POLICY, sight: { ratio: 1 } });
  stops.push(
    await tail(mesh.operator, 'DECISIONS', (m) => {
      const one = JSON.parse(m.headers.get(header.record) ?? '{}') as DecisionRecord;
      decisions.set(one.call, one);
    }),
    await tail(mesh.operator, 'PARKED', (m) => {
      parked.add((JSON.parse(m.headers.get(header.record) ?? '{}') as ParkedRecord).call);
    }),
    await tail(mesh.operator, 'OUTCOMES', (m) => {
      const one = JSON.parse(m.headers.get(header.outcome) ?? '{}') as OutcomeRecord;
      outcomes.set(one.call, one);
    }),
  );
  me = await mesh.connect('me');
  const bank = await mesh.connect('bank', { concurrency: 3_000 });
  for (const name of [
    'pay.transfer',
    'pay.nobody',
    'pay.itself',
    'pay.look',
    'pay.patient',
    'pay.quick',
    'pay.free',
  ]) {
    await bank.serve(name, (body) => (ran.push(body), { paid: true }));
  }
  await bank.serve('both.review', () => ({ allow: true }));
  await bank.serve('report.make', (body: { text?: string; fail?: boolean }, ctx: TaskContext) => {
    ran.push(body);
    ctx.usage({ tokens: 7 });
    if (body.fail === true) {
      throw new Error(`the secret is ${body.text ?? ''}`);
    }
    return { text: body.text };
  });
  const closed = { type: 'object', properties: {}, additionalProperties: false };
  await bank.serve('report.odd', { output: closed }, () => ({ hidden: 1 }));
  await bank.serve('slow.report', (body) => (ran.push(body), body));
  const shop = await mesh.connect('shop', { concurrency: 100 });
  await shop.serve('shop.order', (body: object, ctx: TaskContext) => ctx.call('pay.transfer', body));
  const law = await mesh.connect('law', { concurrency: 3_000 });
  await law.serve('law.review', review);
  await law.serve(
    'law.privacy',
    (question: Asked) => (asked.push(question), { allow: false, reason: 'private' }),
  );
  await law.serve('law.slow', slowReview);
  await law.serve('law.output', (question: Asked) => {
    asked.push(question);
    return { allow: question.output?.text !== 'secret', reason: 'I have read it' };
  });
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
const codeOf = async (promise: Promise<unknown>) => (await errorOf(promise)).code;

describe('before dispatch', () => {
  test('a yes lets it go on; decision and review name each other', async () => {
    const call = await me.send('pay.transfer', { amount: 2 }, { labels: { tenant: 'north' } });
    expect((await me.wait(call)).value).toEqual({ paid: true });
    const decision = await until(() => decisions.get(call));
    expect(decision.reviews).toMatchObject([
      { rule: 'sanctions', capability: 'law.review', by: 'law', allow: true },
    ]);
    expect(decision.rules).toEqual(['sanctions']);
    const id = decision.reviews?.[0]?.call?.replace('gateway.', '') ?? '';
    expect(await until(() => decisions.get(id))).toMatchObject({
      from: 'gateway',
      chain: ['gateway', 'law/law.review'],
      root: `me.${call}`,
      parent: `me.${call}`,
      review: { of: `me.${call}`, rule: 'sanctions' },
    });
    expect(decision.trace).toBeDefined();
    expect(decisions.get(id)?.trace?.slice(0, 35)).toBe(decision.trace?.slice(0, 35));
    expect(decisions.get(id)?.traceFrom).toBe(decision.trace?.slice(36, 52));
    expect(asked.find((one) => one.call === call)).toEqual({
      ...{ rule: 'sanctions', reason: 'the law wants it', before: 'dispatch', from: 'me', call },
      ...{ capability: 'pay.transfer', agent: 'bank', root: `me.${call}`, policy: decision.policy },
      ...{ digest: decision.digest, args: { amount: 2 }, labels: { tenant: 'north' }, chain: ['me'] },
    });
  });

  test('a no refuses it, with the reason, and nothing runs', async () => {
    const before = ran.length;
    const say = { allow: false, reason: 'on the list' };
    const error = await errorOf(me.call('pay.transfer', { amount: 3, say }));
    expect([error.code, error.status]).toEqual(['guard_denied', 'refused']);
    expect(error.details).toMatchObject({ rule: 'sanctions', by: 'law', reason: ': on the list' });
    expect(ran.length).toBe(before);
    const decision = await until(() => decisions.get(error.call ?? ''));
    expect(decision).toMatchObject({
      verdict: 'refuse',
      guard: 'policy',
      rules: ['sanctions'],
      reviews: [{ by: 'law', allow: false, reason: 'on the list' }],
    });
  });

  test.each([
    ['an error', { how: 'throws' }],
    ['a truth of another kind', { say: true }],
    ['more than was asked', { say: { allow: true, force: true } }],
    ['a word instead of a truth', { say: { allow: 'yes' } }],
    ['an endless reason', { say: { allow: true, reason: 'x'.repeat(600) } }],
  ])('%s is a no', async (_, body) => {
    const before = ran.length;
    const error = await errorOf(me.call('pay.transfer', { amount: 4, ...body }));
    expect([error.code, error.status]).toEqual(['guard_unanswered', 'refused']);
    expect(error.details['rule']).toBe('sanctions');
    expect(ran.length).toBe(before);
  });

  test('silence is a no', async () => {
    const error = await errorOf(me.call('pay.quick', { how: 'silent' }));
    expect([error.code, error.details['rule']]).toEqual(['guard_unanswered', 'quick']);
    expect(error.details['why']).toMatch(/no answer within 300 ms|expired|unknown/);
  });

  test('nobody offers it; and an agent that does it itself may not say that it may', async () => {
    expect((await errorOf(me.call('pay.nobody', {}))).details['why']).toBe('no agent offers it');
    const self = await errorOf(me.call('pay.itself', {}));
    expect([self.code, self.details['why']]).toEqual([
      'guard_unanswered',
      'whoever offers it has a part in the call',
    ]);
    const notary = await mesh.connect('notary');
    await notary.serve('both.review', () => ({ allow: true }));
    await until(async () => (await me.call('pay.itself', {}).catch(() => undefined)) !== undefined);
    const said = [...decisions.values()].filter((one) => one.capability === 'both.review');
    expect(new Set(said.map((one) => one.agent))).toEqual(new Set(['notary']));
    // It is registered and does not live any more.
    await notary.close(0);
    expect(await codeOf(me.call('pay.itself', {}))).toBe('guard_unanswered');
  });

  test('of two that are asked one says no; each is told only what its rule says', async () => {
    const error = await errorOf(me.call('pay.transfer', { amount: 5, private: 1 }, { labels: { a: 'b' } }));
    expect([error.code, error.details['rule']]).toEqual(['guard_denied', 'privacy']);
    const told = asked.find((one) => one.rule === 'privacy');
    expect(told).toMatchObject({ labels: { a: 'b' } });
    expect(told).not.toHaveProperty('args');
  });

  test('deny overrides: nobody is asked', async () => {
    const before = asked.length;
    expect(await codeOf(me.call('pay.transfer', { amount: 6, currency: 'XAU' }))).toBe('policy_denied');
    expect(asked.length).toBe(before);
  });

  test('hold comes first: nobody is asked about what no human has approved', async () => {
    const before = asked.length;
    const stop = new AbortController();
    const id = newCallId();
    const held = me.call('pay.transfer', { amount: 5_000 }, { id, timeoutMs: 20_000, signal: stop.signal });
    const code = codeOf(held);
    await until(() => parked.has(id));
    expect(asked.length).toBe(before);
    stop.abort();
    expect(await code).toBe('cancelled');

    const call = await me.send('pay.transfer', { amount: 5_001 }, { timeoutMs: 20_000 });
    const ann = person(await mesh.broker('ann'), 'ann');
    const shown = await until(async () => {
      const page = await ann.show('me', call);
      return page.digest === undefined ? undefined : page;
    });
    expect((await ann.vote('approve', { from: 'me', call, digest: shown.digest })).state).toBe('approved');
    expect((await me.wait(call)).value).toEqual({ paid: true });
    expect(asked.slice(before).map((one) => one.args?.amount)).toEqual([5_001]);
    expect(await until(() => decisions.get(call))).toMatchObject({
      rules: ['large', 'sanctions'],
      approval: { by: ['ann'] },
      reviews: [{ by: 'law', allow: true }],
    });
  });

  test('children are asked about too, with their chain', async () => {
    await me.call('shop.order', { amount: 7 });
    const said = asked.findLast((one) => one.args?.amount === 7) as unknown as { chain: string[] };
    expect(said.chain).toEqual(['me', 'shop/shop.order']);
  });

  test('no circle: a call to the reviewer, and its own work', async () => {
    const watched = { labels: { watch: 'all' } };
    expect(await me.call('law.review', { args: {} }, watched)).toEqual({ allow: true });
    expect(await me.call('pay.transfer', { amount: 8, how: 'deep' })).toEqual({ paid: true });
    const error = await errorOf(me.call('pay.transfer', { amount: 8, how: 'deep-asked' }));
    expect(error.code).toBe('guard_unanswered');
    const inner = [...decisions.values()].findLast((one) => one.from === 'law');
    expect(inner).toMatchObject({ verdict: 'refuse', error: { code: 'guard_unanswered' } });
  });
});

describe('an answer is for one question', () => {
  test('the same id with other arguments does not run under the answer for the first', async () => {
    const id = newCallId();
    const before = ran.length;
    const first = me.call('pay.patient', { amount: 1 }, { id });
    const answer = await until(() => pending.shift());
    const again = await mesh.connect('me');
    const second = codeOf(again.call('pay.patient', { amount: 2 }, { id }));
    const other = await until(() => pending.shift());
    expect(asked.findLast((one) => one.call === id)?.args).toEqual({ amount: 2 });
    answer({ allow: true });
    expect(await first).toEqual({ paid: true });
    expect(await second).toBe('call_id_reused');
    other({ allow: true });
    expect(ran.slice(before)).toEqual([{ amount: 1 }]);
  });

  test('an answer under another policy counts for nothing: it is asked again', async () => {
    const call = await me.send('pay.patient', { amount: 11 }, { timeoutMs: 20_000 });
    const answer = await until(() => pending.shift());
    writeFileSync(mesh.policyFile, `${POLICY}# another day\n`);
    await until(async () => {
      const { call: free } = await me.callForOutcome('pay.free');
      return (await until(() => decisions.get(free))).policy !== asked.at(-1)?.policy;
    });
    answer({ allow: true });
    const second = await until(() => pending.shift());
    expect(decisions.has(call)).toBe(false);
    second({ allow: true });
    await me.wait(call);
    const [old, now] = asked.filter((one) => one.call === call);
    expect(now?.policy).not.toBe(old?.policy);
    expect(await until(() => decisions.get(call))).toMatchObject({ policy: now?.policy, rules: ['patient'] });
  });

  test('while it waits others go on, and it can be cancelled', async () => {
    const stop = new AbortController();
    const code = codeOf(me.call('pay.patient', { amount: 9 }, { timeoutMs: 20_000, signal: stop.signal }));
    const answer = await until(() => pending.shift());
    expect(await me.call('pay.free', {})).toEqual({ paid: true });
    stop.abort();
    answer({ allow: true });
    expect(await code).toBe('cancelled');
  });
});

describe('before the outcome', () => {
  test('a yes lets the answer through', async () => {
    const call = await me.send('report.make', { text: 'plain' });
    expect((await me.wait(call)).value).toEqual({ text: 'plain' });
    expect(await until(() => outcomes.get(call))).toMatchObject({
      status: 'completed',
      reported: { tokens: 7 },
      reviews: [{ rule: 'clean', by: 'law', allow: true, reason: 'I have read it' }],
    });
    expect(asked.find((one) => one.call === call)).toMatchObject({
      before: 'outcome',
      args: { text: 'plain' },
      output: { text: 'plain' },
    });
  });

  test('a no withholds it: failed, its usage kept, the answer nowhere', async () => {
    const before = ran.length;
    const error = await errorOf(me.call('report.make', { text: 'secret' }));
    expect([error.code, error.status, error.details['rule']]).toEqual(['output_withheld', 'failed', 'clean']);
    expect(JSON.stringify(error.toBody())).not.toContain('secret');
    expect(ran.length).toBe(before + 1);
    expect(await until(() => outcomes.get(error.call ?? ''))).toMatchObject({
      status: 'failed',
      reported: { tokens: 7 },
      reviews: [{ allow: false }],
    });
    expect(await codeOf(me.wait(error.call ?? ''))).toBe('output_withheld');
  });

  test('what a failure says is not told either', async () => {
    const error = await errorOf(me.call('report.make', { text: 'hidden', fail: true }));
    expect(error.code).toBe('handler_failed');
    expect(JSON.stringify(error.toBody())).not.toContain('hidden');
    const wrong = await errorOf(me.call('report.odd'));
    expect(wrong.code).toBe('output_invalid');
    expect(JSON.stringify(wrong.toBody())).not.toContain('hidden');
  });

  test('people see the review below the call, and what was said', async () => {
    const call = await me.send('pay.transfer', { amount: 14, say: { allow: true, reason: 'fine' } });
    await me.wait(call);
    const page = await view<CallPage>(mesh.operator, 'view.operator.call', { call });
    const [root, below] = page.calls.toSorted((a, b) => Number(b.asked ?? 0) - Number(a.asked ?? 0));
    expect(root?.reviews).toMatchObject([{ rule: 'sanctions', by: 'law', allow: true, reason: 'fine' }]);
    expect(below).toMatchObject({
      ...{ from: 'gateway', capability: 'law.review', parent: `me.${call}`, status: 'completed' },
      review: { of: `me.${call}`, rule: 'sanctions' },
    });
  });
});

describe('under load and faults', () => {
  test('more calls wait for answers than a gateway takes at once: nobody else waits', async () => {
    const many = limits.takesInFlight + 100;
    const waits = Array.from({ length: many }, () => me.call('pay.patient', {}, { timeoutMs: 30_000 }));
    await until(() => pending.length === many, 20_000);
    const began = performance.now();
    for (let i = 0; i < 50; i++) {
      await me.call('pay.free');
    }
    expect((performance.now() - began) / 50).toBeLessThan(100); // those that wait stay for as long as nobody answers
    pending.splice(0).forEach((answer) => answer({ allow: true }));
    const done = await Promise.allSettled(waits);
    expect(done.filter(({ status }) => status === 'fulfilled').length).toBe(many);
  });

  test('200 calls with a review each, and 200 others beside them', async () => {
    const calls = Array.from({ length: 400 }, (_, amount) =>
      me.call(amount % 2 === 0 ? 'pay.transfer' : 'pay.free', { amount }, { timeoutMs: 20_000 }),
    );
    const done = await Promise.allSettled(calls);
    expect(done.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThanOrEqual(396);
  });

  test('a gateway that is killed while it asks loses nothing, and nobody is asked twice', async () => {
    await mesh.gateways.splice(0)[0]?.stop(0);
    const { child, ready } = gatewayProcess();
    await ready;
    const before = ran.length;
    const early = await me.send('pay.patient', { amount: 12 }, { timeoutMs: 30_000 });
    const late = await me.send('slow.report', { amount: 13 }, { timeoutMs: 30_000 });
    await until(() => pending.length === 2);
    child.kill('SIGKILL');
    mesh.gateways.push(await runGateway(mesh.as('gateway')));
    pending.splice(0).forEach((answer) => answer({ allow: true }));
    expect((await me.wait(early)).value).toEqual({ paid: true });
    expect((await me.wait(late)).value).toEqual({ amount: 13 });
    expect(asked.filter(({ call }) => call === early || call === late).length).toBe(2);
    expect(ran.slice(before)).toContainEqual({ amount: 12 });
    expect(ran.length).toBe(before + 2);
  });
});

/** A gateway that can be killed. */
function gatewayProcess(): { child: ChildProcess; ready: Promise<unknown> } {
  const env = { ...process.env, NATS_URL: mesh.url, MESH_URL: mesh.url };
  const child = spawn(process.execPath, ['bin/mesh.js', 'gateway', '--data', mesh.dir, '--json'], {
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  stops.push(() => void child.kill('SIGKILL'));
  return { child, ready: once(child.stdout, 'data') };
}

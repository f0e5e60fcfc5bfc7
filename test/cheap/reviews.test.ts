/** Rules that ask: what is refused at load, what an answer is bound to, and what the tools say of them. */
import { describe, expect, test } from 'vitest';
import { runChain } from '../../src/chain/chain.js';
import { draftOf, type Incoming, type World } from '../../src/chain/draft.js';
import { GrantBook } from '../../src/domain/grants/book.js';
import { compilePolicy, type Policy } from '../../src/domain/policy.js';
import { readPolicy } from '../../src/domain/policy-read.js';
import { Registry } from '../../src/domain/registry.js';
import { questionOf, readAnswer, reviewDigest, reviewId, type Reviewed } from '../../src/domain/reviews.js';
import { RevokedNames } from '../../src/domain/revoked.js';
import { Roster } from '../../src/domain/roster.js';
import { Router } from '../../src/domain/routing/router.js';
import { readCases, runCases } from '../../src/domain/rules/cases.js';
import { explain } from '../../src/domain/rules/explain.js';
import { limits } from '../../src/wire/limits.js';
import type { Token } from '../../src/wire/names.js';
import { birthOf, isCallId, newCallId } from '../../src/wire/ulid.js';

const HEAD = {
  version: 1,
  roles: { buyer: { call: ['pay.>', 'law.>'], mayRoot: true }, finance: {} },
  members: { me: ['buyer'], law: ['buyer'], gateway: ['buyer'] },
};
const ASK = { capability: 'law.review', before: 'dispatch' };
const policyOf = (...rules: object[]): Policy => compilePolicy(JSON.stringify({ ...HEAD, rules }), 'p');
const asking = { name: 'asks', match: { capability: ['pay.*'] }, effect: 'ask', ask: ASK };
const problem = (rule: object): string => {
  const { problems } = readPolicy(JSON.stringify({ ...HEAD, rules: [{ ...asking, ...rule }] }), 'p');
  return problems.map(({ where, why }) => `${where}: ${why}`).join('\n');
};

describe('at load', () => {
  test.each([
    [{ ask: undefined }, /rules\[0\].*says whom and when/],
    [{ ask: { before: 'dispatch' } }, /capability/],
    [{ ask: { ...ASK, capability: 'law.>' } }, /without \* and >/],
    [{ ask: { ...ASK, before: 'later' } }, /before/],
    [{ ask: { ...ASK, timeout: '10m' } }, /timeout/],
    [{ ask: { ...ASK, send: ['secrets'] } }, /send/],
    [{ ask: { ...ASK, send: ['output'] } }, /no output before dispatch/],
    [{ effect: 'deny' }, /only a rule that asks has ask/],
    [{ match: { capability: ['pay.x', 'law.review'] } }, /about law\.review itself/],
    [{ approvers: ['finance'] }, /only a rule that holds has approvers/],
  ])('%o is refused', (rule, why) => {
    expect(problem(rule)).toMatch(why);
  });

  test('a pattern may cover the reviewer: it is left out', () => {
    const rule = { match: { capability: ['>'] } };
    expect(problem(rule)).toBe('');
    const { rules } = policyOf({ ...asking, ...rule });
    expect(rules?.of('law.review').ask).toEqual([]);
    expect(rules?.of('law.other').ask.length).toBe(1);
  });
});

const ring = { current: 'k1', keys: new Map([['k1', Buffer.alloc(32, 1)]]), epoch: '1' };

function world(policy: Policy): World {
  const registry = new Registry();
  const roster = new Roster(() => 't' as Token);
  for (const name of ['bank', 'till']) {
    registry.put(name as Token, { concurrency: 9, capabilities: [{ name: 'pay.x', version: '1.0' }] });
    roster.beat(name as Token, 'i' as Token, { state: 'ready', inFlight: 0, concurrency: 9 }, 0);
  }
  const router = new Router(registry, roster, () => 'round-robin');
  return {
    ring,
    policy,
    grants: new GrantBook(() => new Map()),
    revoked: new RevokedNames(),
    registry,
    router,
  };
}

const ID = newCallId();
const incoming = (more: Partial<Incoming> = {}, headers: Record<string, string> = {}): Incoming => ({
  from: 'me',
  capability: 'pay.x',
  headers: new Map(Object.entries({ 'Mesh-Call': ID, ...headers })),
  body: Buffer.from('{"n":1}'),
  ...more,
});
const run = (one: Incoming, w: World) => runChain(draftOf(one, Date.now()), w);

describe('the guard', () => {
  const two = policyOf(asking, { ...asking, name: 'also' });

  /** What it asks of the call, and an answer to it. */
  function answered(w: World, one: Incoming, ...says: boolean[]): Required<Pick<Incoming, 'answers'>> {
    const draft = draftOf(one, Date.now());
    const verdict = runChain(draft, w);
    if (verdict.verdict !== 'hold' || verdict.why !== 'review') {
      throw new Error(`it does not ask: ${verdict.verdict}`);
    }
    const reviews = says.map((allow, i) => ({
      ...{ rule: verdict.asks[i]?.rule ?? '', capability: 'law.review', by: 'law', allow, at: 1 },
    }));
    const agent = draft.instance?.agent ?? '';
    return { answers: { digest: verdict.digest, agent, reviews, rounds: 1 } };
  }

  test('goes by the answers: all must say yes, and one that is missing is a no', () => {
    const w = world(two);
    const one = incoming();
    const verdictOf = (...says: boolean[]) => run({ ...one, ...answered(w, one, ...says) }, w);
    expect(verdictOf(true, true).verdict).toBe('allow');
    expect(verdictOf(true, false)).toMatchObject({
      error: { code: 'guard_denied', details: { rule: 'also' } },
    });
    expect(verdictOf(true)).toMatchObject({ error: { code: 'guard_unanswered', details: { rule: 'also' } } });
    expect(verdictOf(false)).toMatchObject({ error: { code: 'guard_denied', details: { rule: 'asks' } } });
    expect(verdictOf()).toMatchObject({ error: { code: 'guard_unanswered' } });
  });

  test('the agent that was asked about does it, and no other', () => {
    const w = world(two);
    for (let i = 0; i < 4; i++) {
      const one = incoming();
      const { answers } = answered(w, one, true, true);
      expect(run({ ...one, answers }, w)).toMatchObject({ call: { instance: { agent: answers.agent } } });
    }
  });

  test.each<[string, Partial<Incoming>, Record<string, string>?]>([
    ['arguments', { body: Buffer.from('{"n":2}') }],
    ['caller', { from: 'law' }],
    ['id', {}, { 'Mesh-Call': newCallId() }],
    ['labels', {}, { 'Mesh-Labels': 'a=b' }],
    ['intent', {}, { 'Mesh-Intent': 'x' }],
    ['context', {}, { 'Mesh-Context': 'x' }],
  ])('an answer does not serve other %s', (_, more, headers) => {
    const w = world(two);
    const { answers } = answered(w, incoming(), true, true);
    expect(run({ ...incoming(more, headers), answers }, w)).toMatchObject({ verdict: 'hold', why: 'review' });
  });

  test('nor another policy, nor another card; and it is not asked for ever', () => {
    const { answers } = answered(world(two), incoming(), true, true);
    const other = policyOf(
      asking,
      { ...asking, name: 'also' },
      { ...asking, name: 'third', effect: 'allow', ask: undefined, obligations: { a: 'b' } },
    );
    expect(run({ ...incoming(), answers }, world(other)).verdict).toBe('hold');
    const w = world(two);
    w.registry.put(answers.agent as Token, {
      concurrency: 9,
      capabilities: [{ name: 'pay.x', version: '1.1' }],
    });
    expect(run({ ...incoming(), answers }, w).verdict).toBe('hold');
    const tired = { ...answers, rounds: limits.askRounds };
    expect(run({ ...incoming(), answers: tired }, w)).toMatchObject({ error: { code: 'guard_unanswered' } });
  });

  test('answers open no door: what is denied stays denied', () => {
    const { answers } = answered(world(two), incoming(), true, true);
    const denies = policyOf(asking, { name: 'no', effect: 'deny' });
    expect(run({ ...incoming(), answers }, world(denies))).toMatchObject({
      error: { code: 'policy_denied' },
    });
    const stranger = { ...incoming({ from: 'eve' }), answers };
    expect(run(stranger, world(two))).toMatchObject({ error: { code: 'root_denied' } });
  });

  test('no review of a review', () => {
    const review = { of: `law.${ID}`, rule: 'asks', root: `law.${ID}`, not: ['bank'] };
    const w = world(policyOf({ ...asking, match: { capability: ['>'] }, when: 'args.missing == 1' }));
    const said = run(incoming({ from: 'gateway', review }), w);
    expect(said).toMatchObject({ verdict: 'allow', call: { chain: ['gateway'], root: `law.${ID}` } });
    expect(said).toMatchObject({ call: { instance: { agent: 'till' } } });
  });

  test('before an outcome: it goes on, without partial outputs', () => {
    const w = world(policyOf({ ...asking, ask: { ...ASK, before: 'outcome', timeout: '3s' } }));
    const said = run(incoming({}, { 'Mesh-Parts': '4' }), w);
    const send = ['args', 'labels', 'intent', 'chain', 'output'];
    expect(said).toMatchObject({
      verdict: 'allow',
      call: {
        asks: [{ rule: 'asks', capability: 'law.review', timeoutMs: 3_000, send }],
        parts: undefined,
        rules: ['asks'],
      },
    });
  });
});

describe('a review', () => {
  const reviewed: Reviewed = {
    ...{ from: 'me', call: ID, capability: 'pay.x', agent: 'bank', root: `me.${ID}`, chain: ['me'] },
    ...{ policy: 'p', digest: 'd', labels: { a: 'b' }, intent: 'i', args: { n: 1 } },
  };
  const ask = { rule: 'r', capability: 'law.review', timeoutMs: 1, send: ['args' as const] };

  test('has one id for one question, and another for any other', () => {
    const digest = reviewDigest(reviewed, [ask], []);
    const born = birthOf(ID);
    const id = reviewId(ring, digest, 'r', born, born + 5);
    expect([isCallId(id), birthOf(id)]).toEqual([true, born]);
    expect(reviewId(ring, digest, 'r', born, born + limits.askWindowMs - 1)).toBe(id);
    const later = reviewId(ring, digest, 'r', born, born + limits.askWindowMs);
    expect(birthOf(later)).toBe(born + limits.askWindowMs);
    const keys = { ...ring, keys: new Map([['k1', Buffer.alloc(32, 2)]]) };
    expect(
      new Set([id, later, reviewId(ring, digest, 's', born, born), reviewId(keys, digest, 'r', born, born)])
        .size,
    ).toBe(4);
    const changed = Object.keys(reviewed)
      .filter((key) => key !== 'args' && key !== 'intent') // digest and headers stand for them
      .map((key) => reviewDigest({ ...reviewed, [key]: key === 'labels' ? {} : ['x'] }, [ask], []));
    const more = [reviewDigest(reviewed, [ask], ['h']), reviewDigest(reviewed, [ask, ask], []), digest];
    expect(new Set([...changed, ...more]).size).toBe(changed.length + more.length);
  });

  test('tells what its rule says, and no more', () => {
    const told = JSON.parse(questionOf(reviewed, ask).toString()) as object;
    expect(Object.keys(told).join(' ')).toBe(
      'rule before from call capability agent root policy digest args',
    );
  });

  test.each([
    'true',
    '{}',
    '{"allow":1}',
    '{"allow":true,"x":1}',
    '[]',
    'null',
    '{"allow":true,"reason":2}',
    '{',
  ])('%s is no answer', (text) => {
    const said = () => readAnswer('json', Buffer.from(text));
    expect(said).toThrow(/answer|body/);
  });
});

describe('tools', () => {
  const policy = policyOf(
    asking,
    { name: 'holds', match: { capability: ['pay.large'] }, effect: 'hold', approvers: ['finance'] },
    { name: 'out', match: { capability: ['pay.report'] }, effect: 'ask', ask: { ...ASK, before: 'outcome' } },
  );
  const testsOf = (...tests: object[]) =>
    runCases(policy, readCases(JSON.stringify({ version: 1, tests }), 't'), Date.now()).map(
      (one) => one.wrong,
    );

  test('tests of policies expect an ask', () => {
    const one = (capability: string, expect: string, more: object = {}) => ({
      ...{ name: 'n', call: { from: 'me', capability }, expect },
      ...more,
    });
    expect(
      testsOf(
        one('pay.x', 'ask', { rules: ['asks'] }),
        one('pay.report', 'ask', { rules: ['asks', 'out'] }),
        one('pay.large', 'hold', { rules: ['holds'] }),
        one('law.review', 'allow'),
        one('pay.x', 'allow'),
      ),
    ).toEqual([undefined, undefined, undefined, undefined, 'want allow, it says ask by asks']);
  });

  test('explain says who is asked, and that its own work is refused', () => {
    const call = readCases(
      JSON.stringify({
        version: 1,
        tests: [{ name: 'n', call: { from: 'me', capability: 'pay.report' }, expect: 'ask' }],
      }),
      't',
    );
    const [{ explained } = { explained: undefined }] = runCases(policy, call, Date.now());
    expect(explained?.rules.map(({ said, why }) => `${said}: ${why}`)).toEqual([
      'applies: asks law.review before dispatch, waits 2000 ms',
      'no: it looks at other capabilities',
      'applies: asks law.review before outcome, waits 2000 ms',
    ]);
    const inner = {
      ...{ from: 'law', capability: 'pay.x', chain: ['gateway', 'law/law.review'], args: {}, bodyBytes: 2 },
      ...{ labels: undefined, intent: undefined, nowMs: 0 },
      agent: {
        ...{ name: 'bank', version: '1.0', proficiency: 'competent', costMicros: 0, attributes: {} },
        ...{ readOnly: false, idempotent: false },
      },
    };
    expect(explain(policy, inner)).toMatchObject({
      effect: 'deny',
      code: 'guard_unanswered',
      mattered: ['asks'],
    });
  });
});

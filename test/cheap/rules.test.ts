/** The rules of a policy: what they say of calls, what is refused when they are loaded, and that none takes long. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compilePolicy } from '../../src/domain/policy.js';
import type { RuleCall } from '../../src/domain/rules/call.js';
import type { RuleSource, RuleVerdict } from '../../src/domain/rules/types.js';
import { MeshError } from '../../src/wire/errors.js';

const HEAD = {
  version: 1,
  roles: {
    everyone: { call: ['shop.>', 'pay.>'], mayRoot: true },
    helper: { serve: ['shop.>'], call: ['shop.>', 'pay.>'] },
    finance: {},
    weak: { mayRoot: true },
  },
  members: { me: ['everyone'], bob: ['helper'], ann: ['everyone', 'finance'], eve: ['weak'] },
};

const agent: RuleCall['agent'] = {
  name: 'bank',
  version: '1.2',
  proficiency: 'expert',
  costMicros: 1_500,
  attributes: { region: 'eu', risk: 'high', score: 0.5 },
  readOnly: false,
  idempotent: true,
};

const callOf = (more: Partial<RuleCall> = {}): RuleCall => ({
  from: 'me',
  capability: 'pay.transfer',
  chain: ['me'],
  args: { amount: 500, currency: 'EUR', items: [{ sku: 'a-1', qty: 2 }] },
  bodyBytes: 80,
  labels: { tenant: 'north' },
  intent: undefined,
  nowMs: Date.UTC(2026, 0, 5, 9, 30),
  agent,
  ...more,
});

const compile = (rules: readonly object[]) => compilePolicy(JSON.stringify({ ...HEAD, rules }), 'p.yaml');

function judge(rules: readonly object[], call = callOf()): RuleVerdict {
  const policy = compile(rules);
  const verdict = policy.rules?.judge(call, (who) => policy.mayByRole(who, call.capability));
  if (verdict === undefined) {
    throw new Error('the policy has no rules');
  }
  return verdict;
}

/** Effect and names, in short: `deny a`, `allow a b`. */
function short(verdict: RuleVerdict): string {
  const rules = 'rules' in verdict ? verdict.rules : [verdict.rule];
  return [verdict.effect, ...rules.map((rule) => rule.name)].join(' ');
}

const hold = { effect: 'hold', approvers: ['finance'] };
const says = (when: string, more: Partial<RuleCall> = {}): string =>
  judge([{ name: 'r', effect: 'deny', when }], callOf(more)).effect;

describe('what rules say', () => {
  test.each([
    ['nothing fits', [{ name: 'a', effect: 'deny', match: { capability: ['x.>'] } }], 'allow'],
    ['deny', [{ name: 'a', effect: 'deny', match: { capability: ['pay.*'] } }], 'deny a'],
    [
      'deny overrides hold, wherever it stands',
      [
        { name: 'h', ...hold },
        { name: 'd', effect: 'deny' },
      ],
      'deny d',
    ],
    [
      'deny overrides allow',
      [
        { name: 'a', effect: 'allow', match: { from: ['me'] } },
        { name: 'd', effect: 'deny' },
      ],
      'deny d',
    ],
    [
      'hold overrides allow',
      [
        { name: 'a', effect: 'allow', match: { from: ['me'] } },
        { name: 'h', ...hold },
      ],
      'hold h',
    ],
    [
      'all that hold',
      [
        { name: 'h', ...hold },
        { name: 'i', ...hold, count: 2 },
      ],
      'hold h i',
    ],
    [
      'an error overrides allow',
      [{ name: 'e', effect: 'allow', obligations: { a: 'b' }, when: 'args.x == 1' }],
      'error e',
    ],
    ['an error of a hold', [{ name: 'e', ...hold, when: 'args.x == 1' }], 'error e'],
    ['an obligation', [{ name: 'o', effect: 'allow', obligations: { log: 'full' } }], 'allow o'],
    ['an allow rule that no one needs', [{ name: 'a', effect: 'allow', match: { from: ['me'] } }], 'allow'],
    ['a condition', [{ name: 'a', effect: 'deny', when: 'args.amount > 400' }], 'deny a'],
    ['a condition that is not met', [{ name: 'a', effect: 'deny', when: 'args.amount > 500' }], 'allow'],
    [
      'from',
      [
        { name: 'a', effect: 'deny', match: { from: ['ann'] } },
        { name: 'b', effect: 'deny', match: { from: ['me'] } },
      ],
      'deny b',
    ],
    [
      'role',
      [
        { name: 'a', effect: 'deny', match: { role: ['finance'] } },
        { name: 'b', effect: 'deny', match: { role: ['everyone'] } },
      ],
      'deny b',
    ],
    [
      'agent',
      [
        { name: 'a', effect: 'deny', match: { agent: ['x'] } },
        { name: 'b', effect: 'deny', match: { agent: ['bank'] } },
      ],
      'deny b',
    ],
    [
      'root',
      [
        { name: 'a', effect: 'deny', match: { root: ['ann'] } },
        { name: 'b', effect: 'deny', match: { root: ['me'] } },
      ],
      'deny b',
    ],
    [
      'labels',
      [
        { name: 'a', effect: 'deny', match: { labels: { tenant: 'south' } } },
        { name: 'b', effect: 'deny', match: { labels: { tenant: 'north' } } },
      ],
      'deny b',
    ],
    [
      'a label that is not there',
      [{ name: 'a', effect: 'deny', match: { labels: { constructor: 'x' } } }],
      'allow',
    ],
    ['intent', [{ name: 'a', effect: 'deny', match: { intent: ['x'] } }], 'allow'],
  ])('%s', (_, rules, expected) => {
    expect(short(judge(rules))).toBe(expected);
  });

  test('an allow rule lets in whom no role lets in, under its condition', () => {
    const rules = [{ name: 'small', effect: 'allow', match: { from: ['eve'] }, when: 'args.amount < 100.0' }];
    const of = (amount: number) => judge(rules, callOf({ from: 'eve', chain: ['eve'], args: { amount } }));
    expect([short(of(99)), short(of(100))]).toEqual(['allow small', 'ungranted small']);
    // A rule that does not say whom lets nobody in, whatever labels the caller makes up.
    const anybody = {
      name: 'o',
      effect: 'allow',
      match: { labels: { tenant: 'north' } },
      obligations: { a: 'b' },
    };
    expect(compile([anybody]).mayCall('eve', 'pay.transfer')).toBe(false);
    const policy = compile(rules);
    expect([policy.mayCall('eve', 'pay.transfer'), policy.mayByRole('eve', 'pay.transfer')]).toEqual([
      true,
      false,
    ]);
    expect(policy.mayCall('stranger', 'pay.transfer')).toBe(false);
  });

  test('authority only narrows: a rule holds for everybody in the chain', () => {
    const through = callOf({ from: 'bob', chain: ['eve', 'bob/shop.order'] });
    expect(short(judge([{ name: 'a', effect: 'deny', match: { from: ['eve'] } }], through))).toBe('deny a');
    expect(short(judge([{ name: 'a', effect: 'deny', when: '"weak" in caller.roles' }], through))).toBe(
      'deny a',
    );
    expect(short(judge([{ name: 'a', effect: 'deny', when: 'caller.name == "stranger"' }], through))).toBe(
      'allow',
    );
    // The condition of the one does not help the other.
    const small = { name: 'small', effect: 'allow', match: { role: ['weak'] }, when: 'args.amount < 100.0' };
    expect(short(judge([small], through))).toBe('ungranted small');
  });

  test('the variables', () => {
    const met = [
      'caller.name == "me" && "everyone" in caller.roles',
      'chain == ["me"] && root == "me" && size(chain) == 1',
      'capability.startsWith("pay.")',
      'args.amount >= 500 && args.currency in ["EUR"] && args.items.all(i, i.qty < 3)',
      'labels.tenant == "north" && !has(labels.other) && intent == ""',
      'cost == 1500 && risk == "high"',
      'now < timestamp("2026-01-05T09:31:00Z") && now.getHours() == 9 && now.getDayOfWeek() == 1',
      'agent.name == "bank" && agent.attributes.region == "eu" && agent.attributes.score < 1.0',
      'agent.idempotent && !agent.readOnly && agent.version == "1.2" && agent.proficiency == "expert"',
      'args.items[0].sku.matches("^a-[0-9]+$")',
    ];
    expect(met.map((when) => says(when))).toEqual(met.map(() => 'deny'));
  });

  test.each([
    ['a field that is not there', 'args.nothing == 1', {}],
    ['a body that is not in hand', 'args.amount > 1', { args: undefined }],
    ['a body of another kind', 'args.amount > 1', { args: [1] }],
    ['null', 'args.amount > 1', { args: null }],
    ['another type', 'args.currency > 5', {}],
    ['whole-number arithmetic on a body', 'args.amount % 2 == 0', {}],
    ['a card without a risk', 'risk == "low"', { agent: { ...agent, attributes: {} } }],
    ['a division by zero', '1 / (size(chain) - 1) == 1', {}],
    ['a text that is too long for a pattern', 'args.t.matches("a")', { args: { t: 'b'.repeat(20_000) } }],
    ['a key of the prototype', 'args.constructor == 1', {}],
  ])('%s is a no', (_, when, more) => {
    expect(says(when, more as Partial<RuleCall>)).toBe('error');
  });
});

describe('what is refused when a policy is loaded', () => {
  const bad = (rule: object): MeshError => {
    try {
      compile([{ name: 'fine', effect: 'deny', match: { capability: ['never'] } }, rule]);
    } catch (err) {
      if (err instanceof MeshError) {
        return err;
      }
      throw err;
    }
    throw new Error('it was taken');
  };

  test.each([
    ['syntax', 'args.amount >'],
    ['a variable that does not exist', 'user == "me"'],
    ['a field that does not exist', 'caller.nme == "me"'],
    ['types that do not fit', 'cost == "5"'],
    ['no answer', '1 + 1'],
    ['an answer that may be anything', 'args.approved'],
    ['endless nesting', `${'('.repeat(300)}true${')'.repeat(300)}`],
    ['endless negation', `${'!'.repeat(1_500)}true`],
    ['endless choices', `${'true ? '.repeat(200)}true${' : false'.repeat(200)}`],
    ['too many parts', Array.from({ length: 200 }, () => 'true').join(' && ')],
    ['too long', `"${'x'.repeat(3_000)}" == intent`],
    ['loops in loops in loops', 'chain.all(a, chain.all(b, chain.all(c, a == b)))'],
    ['data that is built', 'chain.map(a, a + a).size() > 1'],
    ['a name that is bound', 'cel.bind(x, args.a + args.a, x == x)'],
    ['a pattern that is made up', 'intent.matches(args.pattern)'],
    ['a pattern that no linear engine takes', 'intent.matches("(a)\\\\1")'],
    ['a pattern that explodes', 'intent.matches("((a{1000}){1000}){1000}")'],
    ['the name behind a pattern', 'intent.matchesLinear("a")'],
    ['a loop that hides a variable', 'chain.all(args, args == "x")'],
    ['an async function', 'fetch("x") == "y"'],
  ])('%s', (_, when) => {
    const error = bad({ name: 'odd', effect: 'deny', when });
    expect([error.code, error.details['where']]).toEqual(['config_invalid', 'rules[1].when']);
    expect(error.details['why']).toContain('rule odd');
  });

  test.each([
    ['no name', { effect: 'deny' }, 'rules[1].name'],
    ['a name that is none', { name: 'A b', effect: 'deny' }, 'rules[1].name'],
    ['a name twice', { name: 'fine', effect: 'deny' }, 'rules[1].name'],
    ['no effect', { name: 'a' }, 'rules[1].effect'],
    ['an effect that does not exist', { name: 'a', effect: 'permit' }, 'rules[1].effect'],
    ['a key that does not exist', { name: 'a', effect: 'deny', wenn: 'true' }, 'rules[1].wenn'],
    [
      'a match that does not exist',
      { name: 'a', effect: 'deny', match: { caller: ['me'] } },
      'rules[1].match.caller',
    ],
    ['a match that is no list', { name: 'a', effect: 'deny', match: { from: 'me' } }, 'rules[1].match.from'],
    ['an empty match', { name: 'a', effect: 'deny', match: { from: [] } }, 'rules[1].match.from'],
    [
      'a bad pattern',
      { name: 'a', effect: 'deny', match: { capability: ['A'] } },
      'rules[1].match.capability[0]',
    ],
    [
      'a role that does not exist',
      { name: 'a', effect: 'deny', match: { role: ['boss'] } },
      'rules[1].match.role',
    ],
    ['an allow that says nothing', { name: 'a', effect: 'allow' }, 'rules[1]'],
    ['a hold that nobody can end', { name: 'a', effect: 'hold' }, 'rules[1]'],
    ['approvers that do not exist', { name: 'a', effect: 'hold', approvers: ['boss'] }, 'rules[1].approvers'],
    ['no approval', { name: 'a', ...hold, count: 0 }, 'rules[1].count'],
    ['an approval that never expires', { name: 'a', ...hold, expires: '99h' }, 'rules[1].expires'],
    ['approvers without a hold', { name: 'a', effect: 'deny', approvers: ['finance'] }, 'rules[1].approvers'],
  ])('%s', (_, rule, where) => {
    const error = bad(rule);
    expect([error.code, error.details['where']]).toEqual(['config_invalid', where]);
  });

  test('names the line', () => {
    const text = `version: 1
rules:
  - name: first
    effect: deny
    when: 'true'
  - name: second
    effect: deny
    when: >-
      nobody == 1
`;
    const found = (() => {
      try {
        return compilePolicy(text, 'p.yaml').digest;
      } catch (err) {
        return (err as MeshError).details;
      }
    })();
    expect(found).toMatchObject({ file: 'p.yaml:8:5', line: 8, where: 'rules[1].when' });
  });
});

describe('no rule takes long', () => {
  const within = (ms: number, run: () => string): string => {
    const began = performance.now();
    const said = run();
    expect(performance.now() - began).toBeLessThan(ms);
    return said;
  };
  const many = (length: number) => Array.from({ length }, (_, i) => `entry-${i}`);

  test('an honest loop over a large body is judged', () => {
    const args = { items: Array.from({ length: 20_000 }, (_, i) => ({ qty: i })) };
    expect(within(500, () => says('args.items.all(i, i.qty >= 0)', { args, bodyBytes: 400_000 }))).toBe(
      'deny',
    );
  });

  test.each([
    [
      'a body against itself',
      'args.a.all(x, !args.b.exists(y, x == y + "?"))',
      { a: many(3_000), b: many(3_000) },
    ],
    [
      'each entry looked for in a long text',
      'args.a.all(x, !args.t.contains(x + "?"))',
      { a: many(20_000), t: 'entry-'.repeat(100_000) },
    ],
    ['a pattern for each entry', 'args.a.all(x, x.matches("^(entry|e)+-[0-9]*$"))', { a: many(20_000) }],
    ['a clock for each entry', 'args.a.all(x, now.getHours("Europe/Berlin") >= 0)', { a: many(20_000) }],
    ['an error that is swallowed', 'args.a.all(x, args.a.all(y, x != y + "?")) || true', { a: many(3_000) }],
    ['many at once', 'chain.all(c, args.a.all(x, x != c))', { a: many(30_000) }],
  ])('%s is a no', (_, when, args) => {
    const bodyBytes = JSON.stringify(args).length;
    const chain = ['me', ...many(15).map((one) => `x/${one}`)];
    expect(within(500, () => says(when, { args, bodyBytes, chain }))).toBe('error');
  });

  test('the bound is for all rules together, and anew for each call', () => {
    const rules = Array.from({ length: 50 }, (_, i) => ({
      name: `r${i}`,
      effect: 'deny',
      when: 'args.a.exists(x, x == "nobody")',
    }));
    const policy = compile(rules);
    const judged = (length: number) =>
      policy.rules?.judge(callOf({ args: { a: many(length) }, bodyBytes: length * 12 }), () => true).effect;
    expect([judged(20_000), judged(100), judged(20_000)]).toEqual(['error', 'allow', 'error']);
  });

  test('rules that do not look at the capability are not looked at', () => {
    const rules = Array.from({ length: 500 }, (_, i) => ({
      name: `r${i}`,
      effect: 'deny',
      match: { capability: [i < 5 ? 'pay.transfer' : `other.c${i}`] },
      when: `args.amount > ${1_000 + i} && labels.tenant == "south"`,
    }));
    const looked = compile(rules)
      .rules?.of('pay.transfer')
      .deny.map(({ name }) => name);
    expect(looked).toEqual(['r0', 'r1', 'r2', 'r3', 'r4']);
  });
});

describe('against a slow model', () => {
  type Plain = {
    name: string;
    effect: 'allow' | 'deny' | 'hold';
    from: string[];
    min: number;
    field: string;
  };
  const plainRule = fc.record({
    effect: fc.constantFrom('allow' as const, 'deny' as const, 'hold' as const),
    from: fc.subarray(['me', 'eve', 'bob', 'ann'], { minLength: 1 }),
    min: fc.integer({ min: 0, max: 5 }),
    field: fc.constantFrom('n', 'n', 'n', 'missing'),
  });

  /** What the rules should say, spelled out; with a flaw it is what a mistake would say. */
  function model(rules: readonly Plain[], members: readonly string[], n: number, flaw = ''): string {
    const of = (effect: Plain['effect']) => rules.filter((rule) => rule.effect === effect);
    const asked = (list: readonly Plain[], who: readonly string[]): string[] =>
      list
        .filter((rule) => rule.from.some((one) => who.includes(one)))
        .map((rule) => (rule.field === 'missing' ? 'error' : n >= rule.min ? 'yes' : 'no'))
        .filter((said) => said !== 'no' && !(said === 'error' && flaw === 'errors pass'));
    const all = flaw === 'only the caller' ? members.slice(0, 1) : members;
    const denied = asked(of('deny'), all);
    const ungranted = members.flatMap((who) => {
      const helping = of('allow').filter((rule) => rule.from.includes(who));
      const said = asked(helping, [who]);
      return who !== 'eve' || helping.length === 0
        ? []
        : said.includes('error')
          ? ['error']
          : said.includes('yes')
            ? []
            : ['ungranted'];
    });
    const held = asked(of('hold'), all);
    const hold = held.includes('error') ? 'error' : held.includes('yes') ? 'hold' : undefined;
    const [deny] = denied.map((said) => (said === 'yes' ? 'deny' : said));
    const no = deny ?? ungranted[0];
    return (flaw === 'hold first' ? (hold ?? no) : (no ?? hold)) ?? 'allow';
  }

  const difference = (flaw = '') =>
    fc.property(
      fc.array(plainRule, { minLength: 1, maxLength: 8 }),
      fc.subarray(['me', 'eve', 'bob', 'ann'], { minLength: 1 }),
      fc.integer({ min: 0, max: 5 }),
      (plain, members, n) => {
        const rules = plain.map((rule, i): Plain => ({ ...rule, name: `r${i}` }));
        const sources = rules.map(({ name, effect, from, min, field }): RuleSource => ({
          name,
          effect,
          match: { from },
          when: `args.${field} >= ${min}`,
          ...(effect === 'hold' ? { approvers: ['finance'] } : {}),
        }));
        const [from = 'me', ...above] = members;
        const chain = [...above.map((who) => `${who}/shop.order`), `${from}/shop.order`];
        const verdict = judge(sources, callOf({ from, chain, args: { n } }));
        return verdict.effect === model(rules, members, n, flaw);
      },
    );

  test('the same verdict for random rules and chains', () => {
    const seed = Date.now() % 1_000_000;
    console.log(`rules against their model: seed ${seed}`);
    expect(fc.check(difference(), { seed, numRuns: 1_500 }).counterexample).toBeNull();
  });

  test.each(['hold first', 'only the caller', 'errors pass'])('finds the mistake: %s', (flaw) => {
    expect(fc.check(difference(flaw), { seed: 7, numRuns: 1_500 }).failed).toBe(true);
  });
});

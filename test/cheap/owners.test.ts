/** Owners: what the file of a team may say, what is refused beyond its limits, and that nothing else changes. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readPolicy } from '../../src/domain/policy-read.js';
import { compileData, compilePolicy, type Policy } from '../../src/domain/policy.js';
import { callOf } from '../../src/domain/rules/cases.js';
import { covers } from '../../src/domain/rules/covers.js';
import { explain } from '../../src/domain/rules/explain.js';
import { atOnce } from '../../src/domain/slices.js';
import { matches } from '../../src/wire/names.js';

const MAIN = `version: 1
roles:
  buyer: { call: ['shop.>'], mayRoot: true }
  finance: {}
members: { me: [buyer], ann: [finance] }
rules:
  - { name: no-gold, effect: deny, match: { capability: ['pay.gold.>'] } }
  - { name: no-xau, effect: deny, when: has(args.currency) && args.currency == "XAU" }
owners:
  payments:
    file: policies/payments.yaml
    capabilities: ['pay.>']
    may: [allow, deny, hold]
    roles: ['pay-*']
    members: ['pay-*', me]
    approvers: [finance]
    maxRules: 3
    maxHold: 1h
  stock:
    file: stock.yaml
    capabilities: ['stock.>']
    roles: ['stock-*', pay-both]
    members: [me]
`;
const STOCK = `version: 1
roles: { stock-reader: { call: ['stock.read'] }, pay-both: {} }
members: { me: [stock-reader] }
`;
const PAYMENTS = `version: 1
roles:
  pay-clerk: { call: ['pay.transfer'], serve: ['pay.>'] }
members:
  pay-bank: [pay-clerk]
  me: [pay-clerk]
rules:
  - { name: large-needs-two, effect: hold, when: args.amount >= 1000, approvers: [finance, pay-clerk], count: 2, expires: 30min }
  - { name: small, effect: allow, match: { from: [eve] }, when: args.amount < 10 }
`;

const files = (payments: string, stock = STOCK) => ({
  'policies/payments.yaml': payments,
  'stock.yaml': stock,
});
const read = (payments = PAYMENTS, main = MAIN, stock = STOCK) =>
  readPolicy(main, '/etc/mesh/main.yaml', files(payments, stock));
const compile = (payments = PAYMENTS, main = MAIN) => compilePolicy(main, 'main.yaml', files(payments));
const said = (policy: Policy, from: string, capability: string, args: object = { amount: 5 }) => {
  const { effect, code, mattered } = explain(policy, callOf({ from, capability, args }, 0));
  return [effect, code, ...mattered].filter((one) => one !== undefined).join(' ');
};

describe('merging', () => {
  test('a team speaks about its capabilities, and rules are named after it', () => {
    const policy = compile();
    expect(said(policy, 'me', 'pay.transfer')).toBe('allow');
    expect(said(policy, 'me', 'pay.transfer', { amount: 5_000 })).toBe('hold payments/large-needs-two');
    expect(said(policy, 'me', 'pay.refund')).toBe('deny not_granted');
    expect(said(policy, 'me', 'stock.read')).toBe('allow');
    expect(policy.mayServe('pay-bank', 'pay.transfer')).toBe(true);
    expect(policy.rules?.list.map(({ name }) => name)).toEqual([
      ...['no-gold', 'no-xau', 'payments/large-needs-two', 'payments/small'],
    ]);
  });

  test('a rule without capabilities looks at those of its owner only', () => {
    const policy = compile('version: 1\nrules: [{ name: none, effect: deny }]');
    expect(said(policy, 'me', 'shop.order')).toBe('allow');
    expect(policy.rules?.of('pay.x').deny.map(({ name }) => name)).toEqual(['no-xau', 'payments/none']);
  });

  test('what the mesh owner refuses stays refused', () => {
    expect(said(compile(), 'me', 'pay.transfer', { amount: 5, currency: 'XAU' })).toBe(
      'deny policy_denied no-xau',
    );
  });

  test('no rule sees the roles of another owner', () => {
    const role = (who: string): string => `'${who}' in caller.roles`;
    const rules = `rules: [{ name: other, effect: deny, when: "${role('stock-reader')} || !(${role('buyer')})" }, { name: own, effect: deny, when: "${role('pay-clerk')} && args.amount == 7.0" }]`;
    const policy = compile(PAYMENTS.replace(/rules:[^]*/, rules));
    expect(said(policy, 'me', 'pay.transfer')).toBe('allow');
    expect(said(policy, 'me', 'pay.transfer', { amount: 7 })).toBe('deny policy_denied payments/own');
    const main = MAIN.replace(
      'rules:',
      `rules:\n  - { name: m, effect: deny, when: caller.roles.size() > 1 }`,
    );
    expect(said(compile(PAYMENTS, main), 'me', 'pay.transfer')).toBe('allow');
  });

  test('trees of calls may begin with its capabilities only', () => {
    const main = MAIN.replace('maxRules: 3', 'mayRoot: true');
    const policy = compile(PAYMENTS.replace("serve: ['pay.>'] }", "serve: ['pay.>'], mayRoot: true }"), main);
    expect(['pay.transfer', 'shop.order'].map((what) => policy.mayRoot('pay-bank', what))).toEqual([
      true,
      false,
    ]);
    expect(policy.rootsOf('pay-bank')).toEqual(['pay.>']);
  });

  test('a team may ask its own capabilities, and those that the mesh owner names', () => {
    const main = MAIN.replace('may: [allow, deny, hold]', "may: [ask]\n    reviewers: ['law.*']");
    const asking = (capability: string) =>
      `version: 1\nrules: [{ name: a, effect: ask, ask: { capability: ${capability}, before: dispatch } }]`;
    const wrong = (capability: string, by = main) =>
      read(asking(capability), by).problems.map(({ where, why }) => `${where} ${why}`);
    expect(['pay.check', 'law.review'].flatMap((one) => wrong(one))).toEqual([]);
    expect(wrong('shop.order')).toEqual([
      expect.stringMatching(/^rules\[0\]\.ask\.capability .*may not ask shop\.order .*payments\.reviewers/),
    ]);
    expect(wrong('law.review', MAIN)[0]).toMatch(/^rules\[0\]\.effect .*no rules that ask/);
  });

  test('one digest for all files, and the same policy from its data', () => {
    const [one, other] = [read(), read(`${PAYMENTS}# changed\n`)];
    expect(one.problems).toEqual([]);
    expect(one.digest).not.toBe(other.digest);
    const stored = atOnce(compileData(JSON.parse(JSON.stringify(one.data)) as typeof one.data, one.digest));
    for (const from of ['me', 'eve', 'pay-bank']) {
      for (const args of [{ amount: 5 }, { amount: 5_000 }]) {
        expect(said(stored, from, 'pay.transfer', args)).toBe(said(compile(), from, 'pay.transfer', args));
      }
    }
  });

  test('routing: the pattern of the mesh owner counts first', () => {
    const team = 'version: 1\nrouting: { pay.transfer: round-robin, pay.x: round-robin }';
    const policy = compile(team, `${MAIN}routing: { pay.transfer: least-loaded }\n`);
    expect(['pay.transfer', 'pay.x'].map((what) => policy.routingOf(what).by)).toEqual([
      'least-loaded',
      'round-robin',
    ]);
  });
});

/** Replace in the file of payments, and say what is wrong then: place, key, and the beginning of why. */
const TEAM = '/etc/mesh/policies/payments.yaml';
const refusals: readonly (readonly [
  what: string,
  from: string | RegExp,
  to: string,
  place: string,
  why: RegExp,
])[] = [
  [
    'a capability of a role',
    "call: ['pay.transfer']",
    "call: ['pay.transfer', 'shop.order']",
    `${TEAM}:3 roles.pay-clerk.call[1]`,
    /not in its capabilities \(pay\.>\).*owners\.payments\.capabilities/,
  ],
  [
    'what a role serves',
    "serve: ['pay.>']",
    "serve: ['>']",
    `${TEAM}:3 roles.pay-clerk.serve[0]`,
    /not in its capabilities/,
  ],
  [
    'the name of a role',
    'pay-clerk: {',
    'clerk: {',
    `${TEAM}:3 roles.clerk`,
    /may not define the role clerk \(allowed: pay-\*\)/,
  ],
  [
    'a role of the mesh owner',
    'pay-clerk: {',
    'finance: {',
    `${TEAM}:3 roles.finance`,
    /is of the mesh owner/,
  ],
  ['trees of calls', "serve: ['pay.>']", 'mayRoot: true', `${TEAM}:3 roles.pay-clerk.mayRoot`, /begin trees/],
  ['a member', 'pay-bank: [', 'eve: [', `${TEAM}:5 members.eve`, /may not give roles to eve/],
  [
    'giving a role of the mesh owner',
    'me: [pay-clerk]',
    'me: [finance]',
    `${TEAM}:6 members.me[0]`,
    /is of the mesh owner/,
  ],
  [
    'giving no role',
    'me: [pay-clerk]',
    'me: [pay-clark]',
    `${TEAM}:6 members.me[0]`,
    /did you mean pay-clerk/,
  ],
  [
    'a capability of a rule',
    'match: {',
    "match: { capability: ['pay.x', 'shop.>'],",
    `${TEAM}:9 rules[1].match.capability[1]`,
    /shop\.> is not in/,
  ],
  [
    'allowing what is refused to all',
    'match: {',
    "match: { capability: ['pay.gold.x'],",
    `${TEAM}:9 rules[1].match.capability[0]`,
    /no-gold refuses/,
  ],
  [
    'a role for what is refused to all',
    "call: ['pay.transfer']",
    "call: ['pay.gold.x']",
    `${TEAM}:3 roles.pay-clerk.call[0]`,
    /no-gold refuses/,
  ],
  [
    'approvers',
    'approvers: [finance',
    'approvers: [buyer',
    `${TEAM}:8 rules[0].approvers[0]`,
    /may not name buyer/,
  ],
  [
    'a rule that asks',
    /rules:[^]*/,
    'rules: [{ name: r, effect: ask, ask: { capability: pay.look, before: dispatch } }]',
    `${TEAM}:7 rules[0].effect`,
    /no rules that ask/,
  ],
  ['a long hold', 'expires: 30min', 'expires: 2h', `${TEAM}:8 rules[0].expires`, /longer.*3600000/],
  ['an endless hold', ', expires: 30min', '', `${TEAM}:8 rules[0]`, /how long/],
  [
    'a reviewer',
    'rules:',
    'rules:\n  - { name: q, effect: ask, ask: { capability: shop.look, before: dispatch } }',
    `${TEAM}:8 rules[0].ask.capability`,
    /may not ask shop\.look \(allowed: pay\.>\)/,
  ],
  [
    'the role of another owner',
    /rules:[^]*/,
    'rules: [{ name: r, effect: deny, match: { role: [stock-reader] } }]',
    `${TEAM}:7 rules[0].match.role`,
    /there is no role stock-reader/,
  ],
  [
    'a condition',
    'args.amount < 10',
    'amount < 10',
    `${TEAM}:9 rules[1].when`,
    /rule payments\/small: Unknown variable/,
  ],
  ['issuers', 'rules:', 'issuers: {}\nrules:', `${TEAM}:7 issuers`, /there is no such key/],
  ['owners of owners', 'rules:', 'owners: {}\nrules:', `${TEAM}:7 owners`, /there is no such key/],
  ['syntax', 'rules:', 'rules: [', `${TEAM}:10 `, /./],
  ['a long name', 'small,', `${'s'.repeat(60)},`, `${TEAM}:9 rules[1].name`, /more than 64/],
];

describe('beyond the limits', () => {
  test.each(refusals)('%s is refused with its place and owner', (_, from, to, place, why) => {
    const { problems } = read(PAYMENTS.replace(from, to));
    const found = problems.map((one) => `${one.file}:${one.line} ${one.where}`);
    expect(found).toContain(place);
    const problem = problems[found.indexOf(place)];
    expect(problem?.why).toMatch(/^owner payments: /);
    expect(problem?.why).toMatch(why);
    expect(() => compile(PAYMENTS.replace(from, to))).toThrow(/config_invalid/);
  });

  test('effects that it may not have, and too many rules', () => {
    const main = MAIN.replace('may: [allow, deny, hold]', 'may: [deny]').replace(
      'maxRules: 3',
      'maxRules: 1',
    );
    expect(read(PAYMENTS, main).problems.map(({ where }) => where)).toEqual([
      ...['rules', 'rules[0].effect', 'rules[1].effect'],
    ]);
  });

  test('the role of another owner, and a file that is away or stands twice', () => {
    const both = read(PAYMENTS.replace('pay-clerk: {', 'pay-both: {}\n  pay-clerk: {'));
    expect(both.problems.map(({ why }) => why)).toEqual([
      'owner stock: the role pay-both is of the owner payments: choose another name',
    ]);
    const away = readPolicy(MAIN, 'main.yaml', { 'stock.yaml': STOCK }).problems;
    expect(away).toMatchObject([{ file: 'main.yaml', line: 11, where: 'owners.payments.file' }]);
    const twice = read(PAYMENTS, MAIN.replace('file: stock.yaml', 'file: policies/payments.yaml'));
    expect(twice.problems.map(({ where }) => where)).toContain('owners.stock.file');
  });

  test('limits that cannot be meant', () => {
    const main = MAIN.replace('approvers: [finance]', 'approvers: [nobody]').replace("['stock.>']", '[]');
    const where = read(PAYMENTS, main).problems.map((one) => `${one.file} ${one.where}`);
    expect(where).toContain('/etc/mesh/main.yaml owners.payments.approvers[0]');
    expect(where).toContain('/etc/mesh/main.yaml owners.stock.capabilities');
  });
});

/**
 * For every file of a team under every limits that it keeps, and every call:
 * 1. outside its capabilities nothing changes: the same verdict, code and rules, and the same right to serve and begin;
 * 2. what the mesh owner's rules refuse, hold or cannot judge is never allowed.
 */
describe('for random files under random limits', () => {
  const words = ['a', 'b', 'c'];
  const names = words.flatMap((x) => [x, ...words.map((y) => `${x}.${y}`)]);
  const pattern = fc.constantFrom('>', 'a.>', 'a.*', 'a.b', 'b.>', 'b', '*', '*.b', 'c.a');
  const patterns = fc.array(pattern, { minLength: 1, maxLength: 2 });
  const when = fc.constantFrom(
    ...['args.n > 1.0', 'args.missing == 1', 'caller.name == "bob"', 'caller.roles.size() > 1'],
    ...['"team-x" in caller.roles', 'labels.size() == 0', undefined],
  );
  const who = (roles: string[]) => ({
    from: fc.array(fc.constantFrom('me', 'bob', 'eve'), { minLength: 1, maxLength: 2 }),
    role: fc.array(fc.constantFrom(...roles), { minLength: 1, maxLength: 2 }),
  });
  const ruleOf = (roles: string[]) =>
    fc
      .record({
        effect: fc.constantFrom('allow', 'deny', 'hold'),
        when,
        match: fc.record({ capability: patterns, ...who(roles) }, { requiredKeys: [] }),
      })
      .map(({ effect, when: text, match }) => ({
        effect,
        match:
          effect === 'allow' && !('from' in match) && !('role' in match)
            ? { ...match, from: ['eve'] }
            : match,
        ...(text === undefined ? {} : { when: text }),
        ...(effect === 'hold' ? { approvers: ['boss'] } : {}),
      }));
  const rulesOf = (roles: string[]) =>
    fc
      .array(ruleOf(roles), { maxLength: 4 })
      .map((list) => list.map((one, i) => ({ name: `r${i}`, ...one })));
  const main = fc.record({
    version: fc.constant(1),
    roles: fc.record({
      caller: fc.record({ call: patterns, serve: patterns, mayRoot: fc.boolean() }),
      boss: fc.constant({}),
    }),
    members: fc.constant({ me: ['caller'], bob: ['boss', 'caller'] }),
    rules: rulesOf(['caller', 'boss']),
  });
  const owner = fc.record({
    file: fc.constant('team.yaml'),
    capabilities: patterns,
    may: fc.subarray(['allow', 'deny', 'hold']),
    roles: fc.constantFrom(['team-*'], ['team-x']),
    members: fc.constantFrom(['*'], ['me'], ['eve', 'bob']),
    approvers: fc.constant(['boss']),
    mayRoot: fc.boolean(),
  });
  const role = fc.record({ call: patterns, serve: patterns, mayRoot: fc.boolean() }, { requiredKeys: [] });
  const team = fc.record({
    version: fc.constant(1),
    roles: fc.dictionary(fc.constantFrom('team-x', 'team-y', 'caller'), role, {
      maxKeys: 2,
      noNullPrototype: true,
    }),
    members: fc.dictionary(fc.constantFrom('me', 'bob', 'eve'), fc.subarray(['team-x', 'team-y']), {
      noNullPrototype: true,
    }),
    rules: rulesOf(['caller', 'team-x']),
  });

  type Owner = {
    capabilities: string[];
    may: string[];
    roles: readonly string[];
    members: readonly string[];
    mayRoot: boolean;
  };
  type Team = {
    roles: Record<string, { call?: string[]; serve?: string[]; mayRoot?: boolean }>;
    members: Record<string, string[]>;
    rules: { effect: string; match: { capability?: string[]; role?: string[] } }[];
  };
  /** Keep most files within their limits: what lies beyond them is seen to be refused above. */
  const mend = (limits: Owner, file: Team): Team => {
    const within = (list?: string[]) =>
      list?.map((one) =>
        limits.capabilities.some((own) => covers(own, one)) ? one : (limits.capabilities[0] ?? ''),
      );
    const roles = Object.entries(file.roles).filter(
      ([name]) => name === 'team-x' || (limits.roles[0] === 'team-*' && name === 'team-y'),
    );
    const known = (list: string[]) => list.filter((one) => roles.some(([name]) => name === one));
    const members = Object.entries(file.members).filter(
      ([name]) => limits.members[0] === '*' || limits.members.includes(name),
    );
    return {
      ...file,
      roles: Object.fromEntries(
        roles.map(([name, { call, serve, mayRoot }]) => [
          name,
          {
            call: within(call) ?? [],
            serve: within(serve) ?? [],
            mayRoot: mayRoot === true && limits.mayRoot,
          },
        ]),
      ),
      members: Object.fromEntries(members.map(([name, list]) => [name, known(list)])),
      rules: file.rules
        .filter(({ effect }) => limits.may.includes(effect))
        .map((rule) => ({
          ...rule,
          match: {
            ...rule.match,
            ...(rule.match.capability === undefined ? {} : { capability: within(rule.match.capability) }),
            ...(rule.match.role === undefined ? {} : { role: ['caller', ...known(rule.match.role)] }),
          },
        })),
    } as Team;
  };

  /** What the file of the team changes for a capability that it must not change. */
  const changes = (before: Policy, after: Policy, capability: string, own: readonly string[]): string[] => {
    const outside = !own.some((one) => matches(one, capability));
    const rightsOf = (policy: Policy, from: string) =>
      [policy.mayServe(from, capability), policy.mayRoot(from, capability)].join();
    return ['me', 'bob', 'eve'].flatMap((from) => [
      ...(outside && rightsOf(before, from) !== rightsOf(after, from)
        ? [`${from} ${capability}: rights`]
        : []),
      ...[[from], ['me', `bob/${capability}`, from]].flatMap((chain) => {
        const call = callOf({ from, capability, args: { n: chain.length }, chain }, 0);
        const [old, now] = [explain(before, call), explain(after, call)];
        const verdict = ({ effect, code, mattered }: typeof old) => [effect, code, ...mattered].join(' ');
        const ruled = before.rules?.judge(call, () => true).effect ?? 'allow';
        const undone = ruled !== 'allow' && now.effect === 'allow';
        return [
          ...(outside && verdict(old) !== verdict(now) ? [`${from} ${capability}: ${verdict(old)}`] : []),
          ...(undone ? [`${from} ${capability}: ${ruled} is undone`] : []),
        ];
      }),
    ]);
  };

  test('authority elsewhere is unchanged, and a no of the mesh owner stays a no', () => {
    const seed = Number(process.env['OWNERS_SEED'] ?? Date.now() % 1_000_000);
    let kept = 0;
    let tried = 0;
    const property = fc.property(main, owner, team, fc.nat(4), (base, limits, random, broken) => {
      tried++;
      const file = broken === 0 ? random : mend(limits, random as Team);
      const merged = readPolicy(JSON.stringify({ ...base, owners: { team: limits } }), 'm', {
        'team.yaml': JSON.stringify(file),
      });
      if (merged.problems.length > 0) {
        return;
      }
      kept++;
      const before = compilePolicy(JSON.stringify(base), 'm');
      const after = atOnce(compileData(merged.data, merged.digest));
      expect(names.flatMap((name) => changes(before, after, name, limits.capabilities))).toEqual([]);
    });
    console.log(`owners: seed ${seed}`);
    fc.assert(property, { seed, numRuns: Number(process.env['OWNERS_RUNS'] ?? 250) });
    expect(kept).toBeGreaterThan(tried / 2);
    console.log(`${kept} of ${tried} kept their limits`);
  });
});

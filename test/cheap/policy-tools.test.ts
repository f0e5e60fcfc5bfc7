/** What people use to review a policy: explain, tests, diff. Explanations must agree with the guards. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { PolicyData } from '../../src/domain/policy-data.js';
import { readPolicy } from '../../src/domain/policy-read.js';
import { compileData, compilePolicy } from '../../src/domain/policy.js';
import { readCases, runCases } from '../../src/domain/rules/cases.js';
import { covers } from '../../src/domain/rules/covers.js';
import { diffPolicies } from '../../src/domain/rules/diff.js';
import { variables } from '../../src/domain/rules/facts.js';
import { atOnce, inSlices } from '../../src/domain/slices.js';
import { limits } from '../../src/wire/limits.js';
import { matches } from '../../src/wire/names.js';

const POLICY = `version: 1
roles:
  buyer: { call: ['pay.>'], mayRoot: true }
  guest: { mayRoot: true }
members: { me: [buyer], eve: [guest], bob: [] }
rules:
  - { name: small, match: { role: [guest], capability: [pay.x] }, when: args.n < 10, effect: allow }
  - { name: odd, match: { labels: { odd: 'yes' } }, when: args.missing == 1, effect: deny }
`;
const policy = compilePolicy(POLICY, 'p');

const verdicts = (tests: object[]): (string | undefined)[] =>
  runCases(policy, readCases(JSON.stringify({ version: 1, tests }), 't'), Date.now()).map(
    ({ explained, wrong }) =>
      wrong ?? `${explained.effect} ${explained.code ?? explained.mattered.join(' ')}`,
  );
const one = (call: object, expectation: string, more: object = {}) => ({
  name: 'n',
  call,
  expect: expectation,
  ...more,
});

describe('tests of a policy', () => {
  test('say what the mesh would say', () => {
    const pay = { capability: 'pay.x', args: { n: 5 } };
    expect(
      verdicts([
        one({ from: 'me', ...pay }, 'allow'),
        one({ from: 'eve', ...pay }, 'allow'),
        one({ from: 'eve', capability: 'pay.x', args: { n: 10 } }, 'deny'),
        one({ from: 'eve', capability: 'pay.y' }, 'deny'),
        one({ from: 'bob', ...pay }, 'deny'),
        one({ from: 'bob', ...pay, chain: ['me', 'bob/a.b'] }, 'deny'),
        one({ from: 'me', ...pay, labels: { odd: 'yes' } }, 'deny'),
      ]),
    ).toEqual([
      'allow ',
      'allow small',
      'deny policy_unmet',
      'deny not_granted',
      'deny root_denied',
      'deny not_granted',
      'deny policy_error',
    ]);
  });

  test('say what is wrong', () => {
    const call = { from: 'eve', capability: 'pay.x', args: { n: 10 } };
    expect(
      verdicts([
        one(call, 'allow'),
        one(call, 'deny', { code: 'not_granted' }),
        one(call, 'deny', { rules: [] }),
      ]),
    ).toEqual([
      'want allow, it says deny (policy_unmet) by small',
      'want the code not_granted, it says policy_unmet',
      'want the rules none, those that mattered are small',
    ]);
  });

  test.each([
    'tests: []',
    'version: 1\ntests: []',
    'version: 1\ntests: [{ name: a }]',
    ': :',
    'version: 1\ntests: &a [*a]',
  ])('a file that is none is refused: %j', (text) => {
    expect(() => readCases(text, 't.yaml')).toThrow(/config_invalid/);
  });
});

describe('diff', () => {
  test('who gains and loses what', () => {
    const after = compilePolicy(
      `version: 1
roles:
  buyer: { call: ['pay.x'], serve: ['a.b'] }
  guest: { call: ['pay.>', 'pay.y'], mayRoot: true }
members: { me: [buyer], eve: [guest] }
rules:
  - { name: small, match: { role: [guest], capability: [pay.x] }, when: args.n < 20, effect: allow }
  - { name: new, effect: deny, when: 'cost > 5' }
`,
      'p',
    );
    const { rights, rules } = diffPolicies(policy, after);
    expect(rights.map((r) => `${r.who} ${r.change} ${r.what} ${r.pattern ?? ''}`.trim())).toEqual([
      'eve gains call pay.>',
      'eve gains call pay.y',
      'me loses call pay.>',
      'me gains serve a.b',
      'me loses mayRoot',
    ]);
    expect(rules.map((r) => `${r.rule} ${r.change} ${r.keys?.join() ?? ''}`.trim())).toEqual([
      'odd removed',
      'small changed when',
      'new added',
    ]);
    expect(diffPolicies(policy, policy)).toEqual({ rights: [], rules: [] });
  });

  test('covers is what matches says of every name', () => {
    const tokens = ['a', 'b', '*', '>'];
    const patterns = tokens.flatMap((x) => [x, ...(x === '>' ? [] : tokens.map((y) => `${x}.${y}`))]);
    const three = ['a', 'b', 'c'];
    const longer = (list: string[]): string[] => list.flatMap((name) => three.map((one) => `${name}.${one}`));
    const names = [...three, ...longer(three), ...longer(longer(three))];
    for (const outer of patterns) {
      for (const inner of patterns) {
        const every = names.filter((name) => matches(inner, name)).every((name) => matches(outer, name));
        expect([outer, inner, covers(outer, inner)]).toEqual([outer, inner, every]);
      }
    }
  });
});

test('the page names every variable with its type', () => {
  const page = readFileSync('docs/policy.md', 'utf8');
  const rows = [...page.matchAll(/^\| `(\w+)` +\| `([^`]+)` +\|/gm)].map(([, name, type]) => [name, type]);
  expect(rows).toEqual(Object.entries(variables).map(([name, [type]]) => [name, type]));
});

test('a policy compiles in slices: between them others work, and the result is the same', async () => {
  const rules = Array.from(
    { length: 50 },
    (_, i) => `  - { name: r${i}, effect: deny, when: args.n == ${i} }`,
  );
  const { data, digest } = readPolicy(`version: 1\nrules:\n${rules.join('\n')}\n`, 'p');
  let ms = 0;
  let pauses = 0;
  const world = { now: () => (ms += 1), pause: () => Promise.resolve(void pauses++) };
  const sliced = await inSlices(compileData(JSON.parse(JSON.stringify(data)) as PolicyData, digest), world);
  expect(pauses).toBe(Math.floor(50 / limits.sliceMs));
  expect(sliced.rules?.list.map(({ name }) => name)).toEqual(
    atOnce(compileData(data, digest)).rules?.list.map(({ name }) => name),
  );
});

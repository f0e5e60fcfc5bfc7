/** Budgets in the policy: what is refused at load, with its place, and what a good one says of a call. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as amounts from '../../src/domain/budget/amounts.js';
import type { BudgetFacts, BudgetPlan, SetLimits } from '../../src/domain/budget/plan.js';
import { levelsOf } from '../../src/domain/budget/thresholds.js';
import { Calendar, spanOf } from '../../src/domain/budget/windows.js';
import { readAmount, readAmounts, shownAmount, writeAmounts } from '../../src/domain/budget/written.js';
import { compileData, compilePolicy } from '../../src/domain/policy.js';
import { readPolicy } from '../../src/domain/policy-read.js';
import { atOnce } from '../../src/domain/slices.js';
import { MeshError } from '../../src/wire/errors.js';

const NOON = Date.UTC(2026, 10, 21, 12);
const MOST = Number.MAX_SAFE_INTEGER;

const HEAD = `version: 1
roles:
  lead: { call: ['>'] }
members:
  alice: [lead]
`;
const GOOD = `budgets:
  default: { window: day, limit: { micros: 1.00 USD } }
  reserve: { '>': { micros: 1000 } }
`;

/** A policy with these entries under `budgets.limits`. */
function withLimits(...entries: string[]): string {
  return `${HEAD}${GOOD}  limits:\n${entries.map((one) => `    - ${one}\n`).join('')}`;
}

function planOf(text: string): BudgetPlan {
  const plan = compilePolicy(text, 'p').budgets;
  if (plan === undefined) {
    throw new Error('no plan');
  }
  return plan;
}

/** Where the first problem stands, as `line where`; `none` when there is none. */
function troubles(text: string): string[] {
  return readPolicy(text, 'p').problems.map(({ where }) => where);
}

function codeOf(what: () => unknown): string {
  try {
    what();
  } catch (err) {
    return err instanceof MeshError ? err.code : String(err);
  }
  return 'none';
}

const FACTS: BudgetFacts = {
  from: 'alice',
  call: '01kahxdszz0000000000000000',
  agent: 'writer',
  principal: 'alice',
  capability: 'text.write',
  root: true,
  costMicros: 0,
  expiresMs: NOON + 600_000,
};

describe('amounts', () => {
  const bad: [string, unknown][] = [
    ['negative', -1],
    ['fractional', 0.5],
    ['NaN', Number.NaN],
    ['1e308', 1e308],
    ['infinite', Infinity],
    ['above 2^53−1', MOST + 1],
    ['a text', '5'],
    ['missing', undefined],
    ['null', null],
  ];
  it.each(bad)('%s is none', (_, value) => {
    expect(codeOf(() => amounts.asAmount(value, 'x'))).toBe('amount_invalid');
    expect(codeOf(() => amounts.asAmounts({ micros: value ?? null }, 'x'))).toBe('amount_invalid');
  });

  it('0 and 2^53−1 are', () => {
    expect(amounts.asAmounts({ micros: 0, tokens: MOST }, 'x')).toEqual({ micros: 0, tokens: MOST });
  });

  it('arithmetic never leaves them', () => {
    expect(codeOf(() => amounts.add({ micros: MOST }, { micros: 1 }))).toBe('amount_invalid');
    expect(codeOf(() => amounts.subtract({ micros: 1 }, { micros: 2 }))).toBe('amount_invalid');
    expect(codeOf(() => amounts.subtract({}, { tokens: 1 }))).toBe('amount_invalid');
    expect(codeOf(() => amounts.add({ micros: 0.5 }, { micros: 0.5 }))).toBe('amount_invalid');
    expect(amounts.subtract({ micros: 3, tokens: 1 }, { micros: 1 })).toEqual({ micros: 2, tokens: 1 });
  });

  const one = fc.record(
    { micros: fc.maxSafeNat(), tokens: fc.maxSafeNat(), computeMs: fc.maxSafeNat() },
    { requiredKeys: [] },
  );
  it('what is added can be taken away again, and what fits a limit stays within it', () => {
    fc.assert(
      fc.property(one, one, (a, b) => {
        const sum = codeOf(() => amounts.add(a, b)) === 'none' ? amounts.add(a, b) : undefined;
        expect(sum === undefined || amounts.same(amounts.subtract(sum, b), a)).toBe(true);
        expect(amounts.fits(amounts.within(a, b), b)).toBe(true);
        expect(amounts.same(amounts.add(amounts.smaller(a, b), amounts.excess(a, b)), a)).toBe(true);
        expect(amounts.fits(amounts.narrower(a, b), a) && amounts.fits(amounts.narrower(a, b), b)).toBe(true);
      }),
      { verbose: 1 },
    );
  });

  it('a share of a limit is exact where numbers with fractions are not', () => {
    const most = { micros: MOST };
    expect(amounts.reaches({ micros: MOST - 1 }, most, 100)).toBe(false);
    expect(amounts.reaches({ micros: MOST }, most, 100)).toBe(true);
    fc.assert(
      fc.property(
        fc.maxSafeNat(),
        fc.maxSafeNat(),
        fc.integer({ min: 1, max: 100 }),
        (limit, used, percent) => {
          const want = BigInt(used) * 100n >= BigInt(limit) * BigInt(percent);
          expect(amounts.reaches({ tokens: used }, { tokens: limit }, percent)).toBe(want);
        },
      ),
    );
  });
});

describe('amounts as they are written', () => {
  it.each([
    ['micros', '5.00 USD', 5_000_000],
    ['micros', '0.000001 USD', 1],
    ['micros', '1_000 USD', 1_000_000_000],
    ['micros', '250', 250],
    ['tokens', '1_000_000', 1_000_000],
    ['tokens', String(MOST), MOST],
  ] as const)('%s %s', (unit, text, value) => {
    expect(readAmount(unit, text)).toBe(value);
  });

  it.each([
    ['micros', '0.0000001 USD'],
    ['micros', '-1 USD'],
    ['micros', '1e3'],
    ['micros', '1.5'],
    ['micros', '9007199255 USD'],
    ['micros', '5.00 EUR'],
    ['tokens', '5 USD'],
    ['tokens', '9007199254740993'],
    ['tokens', '1_00'],
    ['tokens', ''],
    ['tokens', '0x10'],
    ['tokens', '１２'],
  ] as const)('%s %j is none', (unit, text) => {
    expect(readAmount(unit, text)).toBeUndefined();
  });

  it('money for people is read back as what it was', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (micros) => {
        expect(readAmount('micros', shownAmount('micros', micros))).toBe(micros);
      }),
    );
    expect(shownAmount('micros', 5_000_000)).toBe('5.00 USD');
    expect(shownAmount('micros', 1_234)).toBe('0.001234 USD');
    expect(shownAmount('tokens', 1_234_567)).toBe('1_234_567 tokens');
  });

  it('the header of a caller', () => {
    expect(readAmounts('micros=5.00 USD, tokens=2_000', 'h')).toEqual({ micros: 5_000_000, tokens: 2_000 });
    expect(writeAmounts({ tokens: 2, micros: 1 })).toBe('micros=1,tokens=2');
  });

  it.each(['', 'micros', 'micros=', 'micros=-1', 'micros=1.5', 'micros=NaN', 'micros=1e308', 'euros=1'])(
    'the header %j is refused',
    (text) => expect(codeOf(() => readAmounts(text, 'h'))).toBe('header_invalid'),
  );
  it.each(['micros=1,micros=2', 'micros=1,', `tokens=${MOST}0`, 'toString=1', '__proto__=1'])(
    'the header %j is refused as well',
    (text) => expect(codeOf(() => readAmounts(text, 'h'))).toBe('header_invalid'),
  );
});

describe('budgets that are refused when they are loaded', () => {
  it('the good ones are not', () => {
    expect(troubles(HEAD + GOOD)).toEqual([]);
    expect(troubles(withLimits('{ on: agent, window: hour, limit: { micros: 5 } }'))).toEqual([]);
  });

  it.each([
    '-1',
    '0.5',
    '.nan',
    '.inf',
    '1e308',
    '9007199254740992',
    '"9007199254740992"',
    '',
    'null',
    'true',
  ])('a limit of %s', (value) => {
    const text = withLimits(`{ on: agent, window: day, limit: { micros: ${value} } }`);
    expect(troubles(text)).toContain('budgets.limits[0].limit.micros');
    expect(codeOf(() => compilePolicy(text, 'p'))).toBe('config_invalid');
  });

  it.each([
    ['no window', '{ on: agent, limit: { micros: 5 } }', 'window'],
    ['a window of no length', '{ on: agent, window: 0, limit: { micros: 5 } }', 'window'],
    ['a window that nobody knows', '{ on: agent, window: week, limit: { micros: 5 } }', 'window'],
    ['a window for a tree', '{ on: root, window: day, limit: { micros: 5 } }', 'window'],
    ['no limit', '{ on: agent, window: day }', 'limit'],
    ['an empty limit', '{ on: agent, window: day, limit: {} }', 'limit'],
    ['a unit that nobody knows', '{ on: agent, window: day, limit: { euros: 5 } }', 'limit.euros'],
    ['nobody', '{ on: agent, who: [], window: day, limit: { micros: 5 } }', 'who'],
    ['a name that is none', "{ on: agent, who: ['a.b'], window: day, limit: { micros: 5 } }", 'who[0]'],
    [
      'a pattern that is none',
      "{ on: capability, who: ['a*'], window: day, limit: { micros: 5 } }",
      'who[0]',
    ],
    ['a team that is not there', '{ on: team, who: [x], window: day, limit: { micros: 5 } }', 'who[0]'],
    ['on something else', '{ on: mesh, window: day, limit: { micros: 5 } }', 'on'],
    ['a threshold of 0', '{ on: agent, window: day, limit: { micros: 5 }, warn: 0 }', 'warn'],
    ['a threshold above 100', '{ on: agent, window: day, limit: { micros: 5 }, halt: 120 }', 'halt'],
    ['a fraction of a percent', '{ on: agent, window: day, limit: { micros: 5 }, warn: 0.5 }', 'warn'],
    ['hold without approvers', '{ on: agent, window: day, limit: { micros: 5 }, hold: 80 }', 'hold'],
    [
      'approvers without hold',
      '{ on: agent, window: day, limit: { micros: 5 }, approvers: [lead] }',
      'approvers',
    ],
    [
      'no such role',
      '{ on: agent, window: day, limit: { micros: 5 }, hold: 8, approvers: [x] }',
      'approvers',
    ],
    [
      'hold where nothing passes any more',
      '{ on: agent, window: day, limit: { micros: 5 }, hold: 90, halt: 80, approvers: [lead] }',
      'hold',
    ],
    [
      'a warning after it is held',
      '{ on: agent, window: day, limit: { micros: 5 }, warn: 90, hold: 80, approvers: [lead] }',
      'warn',
    ],
    [
      'a warning that is never reached',
      '{ on: agent, window: day, limit: { micros: 5 }, warn: 90, halt: 80 }',
      'warn',
    ],
    [
      'quarantine after halt',
      '{ on: agent, window: day, limit: { micros: 5 }, quarantine: 90, halt: 80 }',
      'quarantine',
    ],
    [
      'quarantine of a team',
      '{ on: principal, window: day, limit: { micros: 5 }, quarantine: 90 }',
      'quarantine',
    ],
    ['thresholds of one call', '{ on: agent, window: call, limit: { micros: 5 }, warn: 80 }', 'warn'],
  ])('%s', (_, entry, where) => {
    expect(troubles(withLimits(entry))).toEqual([`budgets.limits[0].${where}`]);
  });

  it('one that an earlier one hides', () => {
    const all = '{ on: agent, window: day, limit: { micros: 5 } }';
    expect(troubles(withLimits(all, '{ on: agent, who: [w], window: day, limit: { micros: 5 } }'))).toEqual([
      'budgets.limits[1].who',
    ]);
    expect(troubles(withLimits('{ on: agent, who: [w], window: day, limit: { micros: 5 } }', all))).toEqual(
      [],
    );
    const some = "{ on: capability, who: ['llm.>'], window: day, limit: { micros: 5 } }";
    const one = '{ on: capability, who: [llm.chat], window: day, limit: { micros: 5 } }';
    expect(troubles(withLimits(some, one))).toEqual(['budgets.limits[1].who']);
    expect(troubles(withLimits(one, some))).toEqual([]);
  });

  it.each([
    ['no default', "  reserve: { '>': { micros: 1 } }\n", ['budgets.default']],
    ['no reserve', '  default: { window: day, limit: { micros: 1 } }\n', ['budgets.reserve']],
    [
      'a unit that nothing reserves',
      "  default: { window: day, limit: { micros: 1, tokens: 1 } }\n  reserve: { '>': { micros: 1 } }\n",
      ['budgets.reserve'],
    ],
    [
      'a default for one call, which would never end',
      "  default: { window: call, limit: { micros: 1 } }\n  reserve: { '>': { micros: 1 } }\n",
      ['budgets.default.window'],
    ],
    [
      'a reserve that is never asked',
      "  default: { window: day, limit: { micros: 1 } }\n  reserve: { '>': { micros: 1 }, a.b: { micros: 2 } }\n",
      ['budgets.reserve.a.b'],
    ],
  ])('%s', (_, text, where) => {
    expect(troubles(`${HEAD}budgets:\n${text}`)).toEqual(where);
  });

  it.each([
    ['holds itself', '{ a: { teams: [a] } }', 'budgets.teams.a.teams'],
    [
      'holds itself by way of others',
      '{ a: { teams: [b] }, b: { teams: [c] }, c: { teams: [a] } }',
      'budgets.teams.a.teams',
    ],
    ['holds nobody', '{ a: {} }', 'budgets.teams.a'],
    ['holds a team that is not there', '{ a: { teams: [b] } }', 'budgets.teams.a.teams[0]'],
    ['holds a role that is not there', '{ a: { roles: [b] } }', 'budgets.teams.a.roles[0]'],
  ])('a team that %s', (_, teams, where) => {
    expect(troubles(`${HEAD}${GOOD}  teams: ${teams}\n`)).toContain(where);
  });

  it.each([
    ['a negative price', 'prices: { m: { inputTokens: -1 } }', 'prices.m.inputTokens'],
    ['a price of a fraction', 'prices: { m: { inputTokens: 0.5 } }', 'prices.m.inputTokens'],
    ['a model without prices', 'prices: { m: {} }', 'prices.m'],
    ['a model that is hidden', 'prices: { "g*": { a: 1 }, gpt: { a: 1 } }', 'prices.gpt'],
  ])('%s', (_, text, where) => {
    expect(troubles(`${HEAD}${text}\n`)).toEqual([where]);
  });

  it('a team may not say anything of money', () => {
    const main = `${HEAD}owners: { t: { file: t.yaml, capabilities: [a] } }\n`;
    const { problems } = readPolicy(main, 'p', { 't.yaml': `version: 1\n${GOOD}` });
    expect(problems.map(({ where }) => where)).toEqual(['budgets']);
  });

  it('as stored data, where nobody looks any more', () => {
    const { data, digest } = readPolicy(HEAD + GOOD, 'p');
    const broken = { ...data, budgets: { ...data.budgets, teams: { a: { teams: ['a'] } } } };
    expect(atOnce(compileData(data, digest)).budgets).toBeDefined();
    expect(codeOf(() => atOnce(compileData(broken, digest)))).toBe('config_invalid');
  });
});

describe('what a plan says', () => {
  const plan = planOf(`${HEAD}budgets:
  default: { window: day, limit: { micros: 1.00 USD }, warn: 50 }
  reserve:
    llm.>: { tokens: 4000 }
    llm.chat: { micros: 300 }
    '>': { micros: 100, tokens: 0, computeMs: 1000 }
  teams:
    web: { members: ['web-*'], roles: [lead] }
    all: { teams: [web] }
  limits:
    - { on: agent, window: hour, limit: { computeMs: 60_000 }, quarantine: 90 }
    - { on: principal, who: [alice], window: month, limit: { micros: 50.00 USD } }
    - { on: principal, who: ['*'], window: call, limit: { micros: 250 } }
    - { on: team, window: day, limit: { tokens: 9 } }
    - { on: capability, who: [text.*], window: day, limit: { micros: 7 } }
    - { on: root, who: [alice], limit: { micros: 240 }, warn: 50 }
`);

  it('a call is charged in every node that applies', () => {
    expect(plan.nodesOf(FACTS, NOON).map(({ key }) => key)).toEqual([
      'agent.writer.hour.2026112112',
      'principal.alice.month.202611',
      'team.web.day.20261121',
      'team.all.day.20261121',
      'capability.text.write.day.20261121',
    ]);
  });

  it('a principal that nobody knows has the default limit, also one who has a cap on calls only', () => {
    for (const principal of ['stranger', '__proto__', 'constructor']) {
      const nodes = plan.nodesOf({ ...FACTS, principal, agent: 'x', capability: 'a' }, NOON);
      expect(nodes.map(({ key }) => key)).toContain(`principal.${principal}.day.20261121`);
    }
    expect(plan.budgetOf('principal.stranger.day')?.limit).toEqual({ micros: 1_000_000 });
    expect(plan.budgetOf('principal.alice.day')).toBeUndefined();
    expect(plan.budgetOf('principal.alice.month')?.limit).toEqual({ micros: 50_000_000 });
  });

  it('reserves by capability, then by card, then as all do; capped by the call and the tree, never by the caller', () => {
    const deep = { ...FACTS, root: false };
    expect(plan.reserveOf(deep)).toEqual({ micros: 100, tokens: 0, computeMs: 1000 });
    expect(plan.reserveOf({ ...deep, costMicros: 200 }).micros).toBe(200);
    expect(plan.reserveOf({ ...deep, costMicros: 9_000 }).micros).toBe(250);
    expect(plan.reserveOf({ ...FACTS, costMicros: 9_000 }).micros).toBe(240);
    expect(plan.reserveOf({ ...FACTS, costMicros: 9_000, allowed: { micros: 5 } }).micros).toBe(240);
    const chat = { ...deep, capability: 'llm.chat', costMicros: 200 };
    expect(plan.reserveOf(chat)).toEqual({ micros: 250, tokens: 4000, computeMs: 1000 });
  });

  it('a tree has an envelope of which its own reserve is taken', () => {
    const key = `tree.alice.${FACTS.call}`;
    expect(plan.envelopeOf(FACTS, { micros: 100 })).toEqual({
      key,
      limit: { micros: 140 },
      endsMs: FACTS.expiresMs,
    });
    const narrow = { ...FACTS, allowed: { micros: 150, tokens: 9 } };
    expect(plan.envelopeOf(narrow, { micros: 100 })?.limit).toEqual({ micros: 50, tokens: 9 });
    const child = { ...FACTS, root: false, principal: 'bob' };
    expect(plan.envelopeOf(child, { micros: 100 })).toBeUndefined();
    expect(plan.envelopeOf({ ...child, allowed: { tokens: 9 } }, {})?.limit).toEqual({ tokens: 9 });
    const envelopes = [{ key, limit: { micros: 140 }, endsMs: 5 }];
    expect(plan.nodesOf({ ...FACTS, envelopes }, NOON).at(-1)).toMatchObject({
      key,
      endsMs: 5,
      thresholds: { warn: 50 },
    });
  });

  it('a limit that was set counts at once, and for what it was set only', () => {
    let version = 1;
    const limits = new Map([['principal.alice.month', { micros: 9 }]]);
    const set: SetLimits = {
      get version() {
        return version;
      },
      get: (key) => limits.get(key),
    };
    const limitOf = (): unknown => plan.nodesOf(FACTS, NOON, set).map(({ limit }) => limit)[1];
    expect(limitOf()).toEqual({ micros: 9 });
    limits.set('principal.alice.month', { micros: 10 });
    version++;
    expect(limitOf()).toEqual({ micros: 10 });
    expect(plan.nodesOf(FACTS, NOON)[1]?.limit).toEqual({ micros: 50_000_000 });
  });

  it('what halts earlier gives out no more than that', () => {
    const text = withLimits('{ on: agent, window: day, limit: { micros: 199 }, halt: 90, warn: 50 }');
    const node = planOf(text).nodesOf(FACTS, NOON)[0];
    expect(node).toMatchObject({ limit: { micros: 179 }, full: { micros: 199 } });
  });

  it('says what has been reached', () => {
    const thresholds = { warn: 50, hold: 70, quarantine: 90, halt: 95, approvers: ['lead'] };
    const at = (micros: number) => levelsOf({ micros }, { micros: 100 }, thresholds).join(' ');
    expect([49, 50, 69, 70, 89, 90, 95].map(at)).toEqual([
      '',
      'warn',
      'warn',
      'warn hold',
      'warn hold',
      'warn hold quarantine',
      'warn hold quarantine halt',
    ]);
    expect(levelsOf({}, { micros: 0 }, { halt: 100 })).toEqual(['halt']);
    expect(levelsOf({ micros: 178 }, { micros: 199 }, { halt: 90 })).toEqual([]);
    expect(levelsOf({ micros: 179 }, { micros: 199 }, { halt: 90 })).toEqual(['halt']); // all that is given out
  });

  it('charges what is known, and what was reserved for the rest', () => {
    const facts = { capability: 'a', costMicros: 0, reserve: { micros: 10, tokens: 5, computeMs: 100 } };
    expect(plan.chargeOf(facts, undefined, undefined, 'measured')).toEqual({
      amounts: facts.reserve,
      by: 'reserved',
    });
    expect(plan.chargeOf(facts, { micros: 3, tokens: 4 }, 1.2, 'reported')).toEqual({
      amounts: { micros: 3, tokens: 4, computeMs: 2 },
      by: 'reported',
    });
    expect(plan.chargeOf(facts, { micros: 30 }, 7, 'measured').by).toBe('measured');
    for (const lie of [-1, 0.5, Number.NaN, 1e308]) {
      expect(plan.chargeOf(facts, { micros: lie }, undefined, 'reported')).toEqual({
        amounts: facts.reserve,
        by: 'reserved',
      });
    }
    for (const worked of [-1, Number.NaN, 1e308]) {
      expect(plan.chargeOf(facts, undefined, worked, 'reported').amounts.computeMs).toBe(100);
    }
    expect(plan.chargeOf({ ...facts, costMicros: 8 }, undefined, 1, 'reported').amounts.micros).toBe(8);
  });
});

describe('windows', () => {
  it('are those of the calendar in UTC', () => {
    const last = Date.UTC(2026, 11, 31, 23, 59, 59, 999);
    expect(spanOf('hour', last)).toEqual({
      start: '2026123123',
      fromMs: Date.UTC(2026, 11, 31, 23),
      endsMs: last + 1,
    });
    expect(spanOf('day', last)).toMatchObject({ start: '20261231', endsMs: last + 1 });
    expect(spanOf('month', last)).toMatchObject({ start: '202612', endsMs: Date.UTC(2027, 0) });
    expect(spanOf('month', Date.UTC(2028, 1, 29)).endsMs).toBe(Date.UTC(2028, 2));
  });

  it('every instant lies in its own, and they leave no gap', () => {
    const instant = fc.integer({ min: 0, max: Date.UTC(2200, 0) });
    fc.assert(
      fc.property(
        instant,
        fc.constantFrom('hour' as const, 'day' as const, 'month' as const),
        (at, window) => {
          const { start, fromMs, endsMs } = spanOf(window, at);
          expect(fromMs <= at && at < endsMs).toBe(true);
          expect(spanOf(window, endsMs).fromMs).toBe(endsMs);
          expect(spanOf(window, fromMs).start).toBe(start);
        },
      ),
    );
  });

  it('a clock that steps back a little does not lead back into a window that has ended', () => {
    const calendar = new Calendar();
    const midnight = Date.UTC(2026, 10, 22);
    expect(calendar.spanAt('day', midnight - 1).start).toBe('20261121');
    expect(calendar.spanAt('day', midnight).start).toBe('20261122');
    expect(calendar.spanAt('day', midnight - 1_800_000).start).toBe('20261122');
    expect(calendar.spanAt('day', midnight - 7_200_000).start).toBe('20261121'); // the key, and what was spent, of then
  });

  it('nor does a plan that remembers its nodes', () => {
    const plan = planOf(HEAD + GOOD);
    const midnight = Date.UTC(2026, 10, 22);
    const keyAt = (at: number): string => plan.nodesOf(FACTS, at)[0]?.key.split('.')[3] ?? '';
    expect([midnight - 5, midnight, midnight - 5, midnight + 5, midnight - 9e6, midnight].map(keyAt)).toEqual(
      ['20261121', '20261122', '20261122', '20261122', '20261121', '20261122'],
    );
  });
});

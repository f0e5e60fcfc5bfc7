/**
 * Random grants: chains of honest delegations, half of them with one link that takes more than it was given, validly
 * signed all the same.
 */
import fc from 'fast-check';
import type { Constraint, Scalar } from '../../src/domain/grants/arguments.js';
import type { Claims } from '../../src/domain/grants/claims.js';
import { claimsFor, signNext, signRaw, type Member } from './grants.js';

/** Makes choices from the numbers that fast-check gives, so that it can make a failure smaller. */
export class Dice {
  readonly #tape: readonly number[];
  #at = 0;

  constructor(tape: readonly number[]) {
    this.#tape = tape;
  }

  /** 0 to `n` - 1. */
  below(n: number): number {
    return (this.#tape[this.#at++ % this.#tape.length] ?? 0) % n;
  }

  coin(): boolean {
    return this.below(2) === 1;
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  some<T>(list: readonly T[]): T[] {
    const chosen = list.filter(() => this.coin());
    return chosen.length > 0 ? chosen : [this.of(list)];
  }
}

/** Numbers for the dice. */
export const tapes = fc.array(fc.nat(5_039), { minLength: 120, maxLength: 120 });

const PATTERNS = [
  '>',
  'a',
  'a.>',
  'a.*',
  'a.*.>',
  'a.b',
  'a.b.>',
  'a.b.*',
  '*',
  '*.b',
  '*.>',
  '*.*.>',
  'b',
  'b.>',
];
const ACTIONS = ['read', 'write', 'execute'] as const;
const SCALARS: Scalar[] = ['a', 'ab', 'abc', 'b', 0, 1, 2, 3, 4, true, null];
const NOW = Math.floor(Date.now() / 1_000);

const RULES: readonly ((dice: Dice) => object)[] = [
  (dice) => ({ equals: dice.of(SCALARS) }),
  (dice) => ({ oneOf: dice.some(SCALARS) }),
  (dice) => ({ prefix: dice.of(['', 'a', 'ab', 'abc', 'b']) }),
  (dice) => ({ min: dice.below(5) }),
  (dice) => ({ max: dice.below(5) }),
  (dice) => {
    const min = dice.below(5);
    return { min, max: min + dice.below(3) };
  },
];

/** Each dimension with a random limit, or none. */
const ANY: Readonly<Record<string, (dice: Dice) => Partial<Claims>>> = {
  can: (dice) => ({ can: dice.some(PATTERNS).slice(0, 3) }),
  actions: (dice) => ({ actions: dice.some(ACTIONS) }),
  args: (dice) => ({
    args: ['/x', '/y/0']
      .filter(() => dice.coin())
      .map((at) => ({ at, ...dice.of(RULES)(dice) }) as Constraint),
  }),
  labels: (dice) => ({
    labels: Object.fromEntries(
      ['team', 'area'].filter(() => dice.coin()).map((key) => [key, dice.some(['a', 'b', 'c'])]),
    ),
  }),
  budget: (dice) => ({
    budget: Object.fromEntries(
      ['usd', 'tokens'].filter(() => dice.coin()).map((unit) => [unit, dice.below(6)]),
    ),
  }),
  deadline: (dice) => (dice.coin() ? { deadline: NOW * 1_000 + 500_000 + dice.below(5) } : {}),
  exp: (dice) => ({ exp: NOW + 1_000 + dice.below(5) }),
  nbf: (dice) => (dice.coin() ? { nbf: NOW - 100 + dice.below(5) } : {}),
  depth: (dice) => ({ depth: dice.below(8) }),
  root: (dice) => ({ root: dice.coin() }),
  sub: (dice) => ({ sub: dice.of(['alice', 'mallory']) }),
};

/** Each dimension as wide as it can be said; wider than before, where that had a limit. */
const MOST = (before: Claims): Readonly<Record<string, Partial<Claims>>> => ({
  can: { can: ['>'] },
  actions: { actions: [...ACTIONS] },
  exp: { exp: before.exp + 1 },
  depth: { depth: Math.min(7, before.depth) },
  root: { root: true },
  sub: { sub: 'mallory' },
});

const DIMENSIONS = Object.keys(ANY);

/** A grant among these members, and whom it is for. `widened`: the dimension in which one link was redone. */
export function randomGrant(
  dice: Dice,
  issuer: Member,
  members: readonly Member[],
): { text: string; holder: Member; widened: string | undefined } {
  const links = dice.below(16) === 0 ? 1 : 2 + dice.below(3);
  const bad = links > 1 && dice.below(3) > 0 ? 1 + dice.below(links - 1) : 0;
  const widened = bad > 0 ? dice.of(DIMENSIONS) : undefined;
  let claims = claimsFor(members[0] as Member, {
    ...everything(dice),
    sub: 'alice',
    depth: 3 + dice.below(5),
  });
  let text = signRaw(issuer, claims);
  for (let i = 1; i < links; i++) {
    const [before, next] = [members[i - 1] as Member, members[i] as Member];
    const narrow: Partial<Claims> = { ...narrower(dice, claims), iss: before.name };
    const { [widened as 'nbf']: _, ...others } = narrow;
    const redone =
      widened !== undefined && dice.below(4) > 0 ? MOST(claims)[widened] : ANY[widened ?? '']?.(dice);
    claims = claimsFor(next, i === bad ? { ...others, ...redone } : narrow);
    text = signNext(before, text, claims);
  }
  return { text, holder: members[links - 1] as Member, widened };
}

function everything(dice: Dice): Partial<Claims> {
  return Object.assign({}, ...DIMENSIONS.map((dimension) => ANY[dimension]?.(dice))) as Partial<Claims>;
}

/** The same, or less in some dimensions. */
function narrower(dice: Dice, c: Claims): Partial<Claims> {
  const { can, actions, args, labels, budget, deadline, exp, nbf, depth, root, sub } = c;
  const less = {
    sub,
    can: dice.coin() ? can : dice.some(can.flatMap((pattern) => narrowerPattern(dice, pattern))),
    actions: dice.some(actions),
    args: [...(args ?? [])],
    labels: Object.fromEntries(Object.entries(labels ?? {}).map(([k, v]) => [k, dice.some(v)])),
    budget: Object.fromEntries(Object.entries(budget ?? {}).map(([k, v]) => [k, dice.below(v + 1)])),
    exp: exp - dice.below(2),
    depth: Math.max(0, depth - 1),
    root: root && dice.coin(),
    ...(deadline === undefined ? {} : { deadline: deadline - dice.below(2) }),
    ...(nbf === undefined ? {} : { nbf: nbf + dice.below(2) }),
  };
  if (dice.coin() && !less.args.some(({ at }) => at === '/x')) {
    less.args.push({ at: '/x', ...dice.of(RULES)(dice) } as Constraint);
  }
  return less;
}

function narrowerPattern(dice: Dice, pattern: string): string[] {
  const stem = pattern.replace(/>$/, '');
  return stem === pattern
    ? [pattern.replace('*', dice.of(['a', 'b', '*']))]
    : [`${stem}*`, `${stem}*.>`, `${stem}a`];
}

/**
 * e) Budgets under parallel calls, with two gateways, one of which is killed.
 *
 * Fifty payers with a budget each, two hundred calls of each side by side, in groups of ten. While a group spends, a
 * gateway is killed; it comes back by itself, and one time it is control that is killed. Agents say to the witness
 * whose call they run before they do: that is what was spent. Beside the payers of the mesh stand ten who keep their
 * budgets as most do: they look whether there is money, let the call run, then write down what it cost.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../random.js';
import type { Said, Till } from './agents/till.js';
import { checkThenRecord, Payer, spendBy, type Means, type Spend } from './payer.js';
import { places, type Figure, type Played, type Scenario, type Setting } from './scenario.js';
import { onStage, type Casting, type Stage } from './stage.js';

const MICROS = 1_000;
const TILLS = 3;
const WORK_MS = 40;
const PLAN = {
  short: { payers: 6, group: 6, naive: 3, parallel: 60, worth: 90, patienceMs: 20_000, settleMs: 5_000 },
  full: { payers: 50, group: 10, naive: 10, parallel: 200, worth: 300, patienceMs: 30_000, settleMs: 60_000 },
} as const;
/** When a group has begun, and before it can be done. */
const KILL_MS = { from: 50, to: 600 } as const;

/** The scenario. */
export const budget: Scenario = {
  name: 'e',
  title: 'parallel calls on many budgets, and gateways that are killed',
  play: (setting) => {
    const { payers, naive, worth } = PLAN[setting.length];
    const names = { strict: namesOf('strict', payers), naive: namesOf('naive', naive) };
    const users = [
      ...[...names.strict, ...names.naive].map((name) => ({ name, role: 'caller' as const })),
      ...namesOf('till', TILLS).map((name) => ({ name, role: 'agent' as const })),
    ];
    return onStage({ policy: policy(names, worth * MICROS), users, gateways: 2 }, (stage) =>
      play(stage, setting, names),
    );
  },
};

/** Payers with a budget of the mesh, and payers who keep it themselves. */
interface Names {
  readonly strict: readonly string[];
  readonly naive: readonly string[];
}

async function play(stage: Stage, { length, random, note }: Setting, names: Names): Promise<Played> {
  const { group, settleMs, parallel, worth, patienceMs } = PLAN[length];
  const means: Means = { parallel, worth, patienceMs };
  await stage.cast(castings());
  note('payers who look, let it run, and write down');
  const naive = await payersOf(stage, names.naive, (spend) => checkThenRecord(worth, spend));
  await Promise.all(naive.map((payer) => payer.spend(means)));
  const strict = await payersOf(stage, names.strict, (spend) => spend);
  let kills = 0;
  for (let at = 0; at < strict.length; at += group) {
    const killed = killOne(stage, kills++, random);
    await Promise.all(strict.slice(at, at + group).map((payer) => payer.spend(means)));
    note(`${at + group} of ${strict.length} have spent, killed: ${await killed}`);
  }
  const before = spentBy(stage, strict);
  note(`what is left is asked for after ${settleMs / 1_000} s`);
  await sleep(settleMs);
  await Promise.all(strict.map((payer) => payer.spend({ ...means, parallel: 1, patienceMs: 5_000 })));
  return judge(before, { strict: spentBy(stage, strict), naive: spentBy(stage, naive) }, { worth, kills });
}

/** What a payer spent: by the witness, and by what it was told. */
interface Spent {
  /** Calls that an agent ran. */
  readonly ran: number;
  /** These, and those of which nobody knows. */
  readonly paid: number;
  readonly unknown: number;
  readonly others: number;
}

function spentBy(stage: Stage, payers: readonly Payer[]): Spent[] {
  const ran = new Map<string, Set<string>>(payers.map(({ name }) => [name, new Set()]));
  let twice = 0;
  for (const { payer, call } of stage.said<Said>()) {
    const calls = ran.get(payer);
    twice += Number(calls?.has(call) === true);
    calls?.add(call);
  }
  if (twice > 0) {
    throw new Error(`${twice} calls ran twice`); // not idempotent: it would be spent twice
  }
  return payers.map(({ name, paid, unknown, others }) => {
    const calls = ran.get(name) ?? new Set();
    return { ran: calls.size, paid: new Set([...calls, ...paid]).size, unknown, others: others.length };
  });
}

function judge(
  before: readonly Spent[],
  { strict, naive }: { strict: readonly Spent[]; naive: readonly Spent[] },
  { worth, kills }: { worth: number; kills: number },
): Played {
  const over = (list: readonly Spent[]): number => list.filter(({ paid }) => paid > worth).length;
  const least = (list: readonly Spent[]): number => Math.min(...list.map(({ paid }) => paid)) / worth;
  const most = (list: readonly Spent[]): number => Math.max(...list.map(({ paid }) => paid)) / worth;
  const sum = (of: (one: Spent) => number): number => strict.reduce((all, one) => all + of(one), 0);
  const figures: Record<string, Figure> = {
    budgets: strict.length,
    callsEach: worth,
    kills,
    ran: sum(({ ran }) => ran),
    unknown: sum(({ unknown }) => unknown),
    others: sum(({ others }) => others),
    ranLeast: places(Math.min(...strict.map(({ ran }) => ran)) / worth, 4),
    usedLeast: places(least(before), 4),
    usedInTheEnd: places(least(strict), 4),
    naive: { budgets: naive.length, overspent: over(naive), usedMost: places(most(naive), 3) },
  };
  return {
    checks: [
      { what: 'budgets that were overspent', value: over(strict), most: 0 },
      { what: 'used of each budget, at the least', value: least(before), least: 0.95, most: 1 },
      { what: 'stranded of each budget after a while, at the most', value: 1 - least(strict), most: 0.01 },
      { what: 'baseline: share of budgets that were overspent', value: over(naive) / naive.length, least: 1 },
    ],
    figures,
  };
}

/** Kill a gateway, or once control, while the others spend. Says who it was. */
async function killOne(stage: Stage, nth: number, random: Random): Promise<string> {
  const { gateways, control } = stage.mesh;
  await sleep(KILL_MS.from + random() * (KILL_MS.to - KILL_MS.from));
  if (nth === 2) {
    control.kill();
    return 'control';
  }
  const which = nth % gateways.length;
  gateways[which]?.kill();
  return `gateway ${which + 1}`;
}

async function payersOf(
  stage: Stage,
  names: readonly string[],
  keeps: (spend: Spend) => Spend,
): Promise<Payer[]> {
  return await Promise.all(
    names.map(async (name) => new Payer(name, keeps(spendBy(await stage.connect(name), 'till.take')))),
  );
}

function castings(): Casting[] {
  return namesOf('till', TILLS).map((name) => {
    const settings: Till = { name, serves: 'till.take', micros: MICROS, workMs: WORK_MS };
    return { program: 'till', names: [name], settings };
  });
}

function namesOf(kind: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${kind}-${i + 1}`);
}

/** A month, so that no window ends while it is played, unless it is played then. */
function policy({ strict, naive }: Names, micros: number): string {
  return [
    'version: 1',
    'roles:',
    '  pays: { call: [till.take], mayRoot: true }',
    '  till: { serve: [till.take] }',
    'members:',
    ...[...strict, ...naive].map((name) => `  ${name}: [pays]`),
    ...namesOf('till', TILLS).map((name) => `  ${name}: [till]`),
    'budgets:',
    `  default: { window: month, limit: { micros: 1000000000000 } }`,
    `  reserve: { '>': { micros: ${MICROS} } }`,
    '  limits:',
    `    - { on: principal, who: ['strict-*'], window: month, limit: { micros: ${micros} } }`,
    '',
  ].join('\n');
}

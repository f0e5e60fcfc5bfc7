/**
 * b) Cheap, weak agents and dear, strong ones at 1 : 10, for work of mixed difficulty.
 *
 * Callers say how hard a problem is, and are wrong one time in five. The same problems go to two equal sets of agents:
 * one gets them in turn, whoever is next; one by price and by what callers said. Whether an answer is right is judged
 * here, who knows the problem; what it cost is counted by what the agents said to the witness, failures included.
 */
import type { CallOptions, Mesh } from '../../src/agent/index.js';
import type { Random } from '../random.js';
import type { Said, Solver } from './agents/solver.js';
import { arrivals, openLoad } from './load.js';
import { SIZES, type Difficulty, type Problem } from './problem.js';
import { places, type Figure, type Played, type Scenario, type Setting } from './scenario.js';
import { onStage, type Casting, type Stage } from './stage.js';

const SETS = { even: 'round-robin', routed: 'cheapest' } as const;
type Set = keyof typeof SETS;
const NAMES = Object.keys(SETS) as Set[];
const DIFFICULTIES = Object.keys(SIZES) as Difficulty[];

/** What is asked: half is easy. */
const MIX: Readonly<Record<Difficulty, number>> = { easy: 0.5, normal: 0.35, hard: 0.15 };
const WRONG_LABELS = 0.2;
const EACH = 4;
const PRICES = { weak: 1_000, strong: 10_000 } as const;
const FINDS = {
  weak: { easy: 0.98, normal: 0.93, hard: 0.3 },
  strong: { easy: 0.99, normal: 0.98, hard: 0.97 },
} as const;
const WORK_MS = { weak: 10, strong: 30 } as const;
const PLAN = { short: { seconds: 8, perSecond: 100 }, full: { seconds: 60, perSecond: 100 } } as const;

/** The scenario. */
export const price: Scenario = {
  name: 'b',
  title: 'cheap and weak beside dear and strong, at 1 : 10',
  play: (setting) =>
    onStage({ policy: policy(), users: users(), gateways: 2 }, (stage) => play(stage, setting)),
};

/** A problem as it is asked. */
interface Asked extends Problem {
  readonly truly: Difficulty;
  readonly label: Difficulty;
}

async function play(stage: Stage, { length, random, note }: Setting): Promise<Played> {
  const { seconds, perSecond } = PLAN[length];
  await stage.cast(castings());
  const callers: Record<Set, Mesh> = { even: await stage.connect(), routed: await stage.connect() };
  const times = arrivals(random, perSecond, seconds);
  const problems = times.map((_, id) => problem(id, random));
  const right: Record<Set, number> = { even: 0, routed: 0 };
  note(`${problems.length} problems to each set, ${perSecond} a second`);
  const one = async (set: Set, { id, numbers, label }: Asked): Promise<void> => {
    const options: CallOptions = set === 'even' ? {} : { difficulty: label };
    const answer = await callers[set]
      .call<{ sum: number }>(`${set}.solve`, { id, numbers }, options)
      .catch(nothing);
    right[set] += Number(answer?.sum === numbers.reduce((all, n) => all + n, 0));
  };
  await openLoad(times, async (n) => {
    const asked = problems[n];
    if (asked !== undefined) {
      await Promise.all(NAMES.map((set) => one(set, asked)));
    }
  });
  return judge(problems, right, stage.said<Said>());
}

function judge(problems: readonly Asked[], right: Record<Set, number>, said: readonly Said[]): Played {
  const told = (set: Set) => {
    const runs = said.filter(({ agent }) => agent.startsWith(`${set}-`));
    return {
      success: places(right[set] / problems.length, 4),
      microsEach: places(runs.reduce((sum, { micros }) => sum + micros, 0) / problems.length, 0),
      strongShare: places(runs.filter(({ micros }) => micros === PRICES.strong).length / runs.length, 3),
    };
  };
  const [even, routed] = [told('even'), told('routed')];
  const wrong = problems.filter(({ truly, label }) => truly !== label).length;
  const figures: Record<string, Figure> = {
    problems: problems.length,
    wrongLabels: places(wrong / problems.length, 3),
    even,
    routed,
  };
  return {
    checks: [
      { what: 'cost: × even spreading', value: routed.microsEach / even.microsEach, most: 0.6 },
      { what: 'right answers: × even spreading', value: routed.success / even.success, least: 1 },
    ],
    figures,
  };
}

/** A problem, and what its caller says of it. */
function problem(id: number, random: Random): Asked {
  const at = random();
  const truly = at < MIX.easy ? 'easy' : at < MIX.easy + MIX.normal ? 'normal' : 'hard';
  const others = DIFFICULTIES.filter((one) => one !== truly);
  const other = others[Math.floor(random() * others.length)] ?? truly;
  const label = random() < WRONG_LABELS ? other : truly;
  return {
    id,
    truly,
    label,
    numbers: Array.from({ length: SIZES[truly] }, () => Math.floor(random() * 1_000)),
  };
}

/** A failure costs its caller the answer. */
function nothing(): undefined {
  return undefined;
}

/** Each process plays the same solver of both sets. */
function castings(): Casting[] {
  return (['weak', 'strong'] as const).flatMap((kind) =>
    Array.from({ length: EACH }, (_, i): Casting => {
      const names = NAMES.map((set) => `${set}-${kind}-${i}`);
      const settings: Solver = {
        serves: Object.fromEntries(NAMES.map((set) => [`${set}-${kind}-${i}`, `${set}.solve`])),
        proficiency: kind === 'weak' ? 'competent' : 'expert',
        micros: PRICES[kind],
        workMs: WORK_MS[kind],
        finds: FINDS[kind],
      };
      return { program: 'solver', names, settings };
    }),
  );
}

function users(): { name: string; role: 'agent' }[] {
  return castings().flatMap(({ names }) => names.map((name) => ({ name, role: 'agent' as const })));
}

function policy(): string {
  const members = users().map(({ name }) => `  ${name}: [${name.slice(0, name.indexOf('-'))}]`);
  return [
    'version: 1',
    'roles:',
    "  asks: { call: ['*.solve'], mayRoot: true }",
    ...NAMES.map((set) => `  ${set}: { serve: ['${set}.solve'] }`),
    'members:',
    '  me: [asks]',
    ...members,
    'routing:',
    ...NAMES.map((set) => `  '${set}.solve': ${SETS[set]}`),
    '',
  ].join('\n');
}

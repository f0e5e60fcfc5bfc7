/**
 * a) Ten agents of which three are ten times slower, and halfway the slow ones are others.
 *
 * The same calls go at the same moments to three sets of ten equal agents: one is called in turn, one as the mesh does
 * when nothing is said (the less loaded of two), one by what was learned of their latency. Each process plays one agent
 * of each set, so all sets are slow and well at the same time. An agent does one thing at a time. The load is such that
 * the slow ones are busy half of their time when all get the same share: in turn is slow, and stable.
 */
import type { Mesh } from '../../src/agent/index.js';
import { seeded, shuffled } from '../random.js';
import { arrivals, mean, openLoad } from './load.js';
import type { Worker } from './agents/worker.js';
import { places, type Check, type Figure, type Played, type Scenario, type Setting } from './scenario.js';
import { onStage, type Casting, type Stage } from './stage.js';

/** The sets, and how each is routed. */
const SETS = { even: 'round-robin', usual: 'least-loaded', learned: 'fastest' } as const;
type Set = keyof typeof SETS;
const NAMES = Object.keys(SETS) as Set[];

const AGENTS = 10;
const SLOW = 3;
const WORK_MS = 40;
const SLOW_MS = 400;
/** Share of its time that a slow agent works when each agent gets a tenth of the calls. */
const BUSY = 0.8;
const PER_SECOND = (BUSY * AGENTS * 1_000) / SLOW_MS;
const SECONDS = { short: 80, full: 120 } as const;
/** A healed agent is one of seven that are well: this is half of its share. */
const HALF_SHARE = 0.5 / (AGENTS - SLOW);
/** How long it has for that, and over how many seconds a share is counted. */
const REGAIN_S = 30;
const SHARE_S = 10;
const BUCKET_S = 2;

/** The scenario. */
export const swap: Scenario = {
  name: 'a',
  title: 'three of ten agents are 10 × slower, and halfway others are',
  play: (setting) =>
    onStage({ policy: policy(), users: users(), gateways: 2 }, (stage) => play(stage, setting)),
};

/** One call that ended. */
interface Ended {
  readonly atMs: number;
  readonly ms: number;
  readonly by: number;
}

async function play(stage: Stage, { length, random, seed, note }: Setting): Promise<Played> {
  const seconds = SECONDS[length];
  const order = shuffled([...Array(AGENTS).keys()], random);
  const [before, after] = [order.slice(0, SLOW), order.slice(SLOW, 2 * SLOW)];
  const actors = await stage.cast(Array.from({ length: AGENTS }, (_, i) => casting(i, before.includes(i))));
  const callers = Object.fromEntries(
    await Promise.all(NAMES.map(async (set) => [set, await stage.connect()] as const)),
  ) as Record<Set, Mesh>;
  await warm(callers);
  const times = arrivals(seeded(seed), PER_SECOND, seconds);
  const sizes = times.map(() => 0.75 + random() / 2);
  const ended: Record<Set, Ended[]> = { even: [], usual: [], learned: [] };
  note(`${times.length} calls to each set, ${PER_SECOND} a second`);
  const one = async (set: Set, n: number, dueMs: number): Promise<void> => {
    const { by } = await callers[set].call<{ by: string }>(`${set}.work`, { size: sizes[n] });
    ended[set].push({ atMs: times[n] ?? 0, ms: performance.now() - dueMs, by: numberOf(by) });
  };
  const swapped = {
    atMs: (seconds * 1_000) / 2,
    act: () => {
      note('the slow ones are others now');
      before.forEach((i) => actors[i]?.tell('well'));
      after.forEach((i) => actors[i]?.tell('slow'));
    },
  };
  await openLoad(times, async (n, due) => void (await Promise.all(NAMES.map((set) => one(set, n, due)))), [
    swapped,
  ]);
  return judge(ended, { before, after }, seconds);
}

/** Who was slow before the swap, and after it. */
interface Slow {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

function judge(ended: Record<Set, Ended[]>, slow: Slow, seconds: number): Played {
  const whole = (set: Set): number => mean(ended[set].map(({ ms }) => ms));
  const steady = (set: Set): number =>
    mean(ended[set].filter(({ atMs }) => isSteady(atMs / 1_000, seconds)).map(({ ms }) => ms));
  const ratio = (of: (set: Set) => number, set: Set): number => of(set) / of('even');
  const regained = slow.before.map((agent) => regainedAfter(ended.learned, agent, seconds / 2));
  const checks: Check[] = [
    { what: 'mean latency, steady state: × in turn', value: ratio(steady, 'learned'), most: 0.3 },
    { what: 'mean latency, whole run: × in turn', value: ratio(whole, 'learned'), most: 0.4 },
    {
      what: 'seconds until the last healed agent has half its share',
      value: Math.max(...regained),
      most: REGAIN_S,
    },
  ];
  const means = (of: (set: Set) => number): Figure =>
    Object.fromEntries(NAMES.map((set) => [set, places(of(set), 1)]));
  return {
    checks,
    figures: {
      callsPerSet: ended.even.length,
      perSecond: PER_SECOND,
      meanMs: { steady: means(steady), whole: means(whole) },
      toSlowAgents: slowShares(ended, slow, seconds),
      usualBesideEven: { steady: places(ratio(steady, 'usual'), 3), whole: places(ratio(whole, 'usual'), 3) },
      idealBesideEven: places((WORK_MS * 1) / whole('even'), 3),
      healedAfterS: regained.map((s) => places(s, 1)),
      swapAtS: seconds / 2,
      bucketS: BUCKET_S,
      seriesMs: Object.fromEntries(NAMES.map((set) => [set, series(ended[set], seconds)])),
    },
  };
}

/** Share of the calls that met an agent while it was slow, when it has settled. */
function slowShares(ended: Record<Set, Ended[]>, { before, after }: Slow, seconds: number): Figure {
  const share = (set: Set): number => {
    const all = ended[set].filter(({ atMs }) => isSteady(atMs / 1_000, seconds));
    const met = all.filter(({ atMs, by }) => (atMs < seconds * 500 ? before : after).includes(by));
    return places(met.length / all.length, 4);
  };
  return Object.fromEntries(NAMES.map((set) => [set, share(set)]));
}

/** The second half of each half. */
function isSteady(atS: number, seconds: number): boolean {
  return atS % (seconds / 2) >= seconds / 4;
}

/** Seconds from the moment it was healed to the end of the first stretch in which it had half its share. */
function regainedAfter(ended: readonly Ended[], agent: number, healedS: number): number {
  const after = ended.filter(({ atMs }) => atMs >= healedS * 1_000).sort((a, b) => a.atMs - b.atMs);
  for (let from = 0; from < healedS - SHARE_S; from += 0.5) {
    const [begin, end] = [(healedS + from) * 1_000, (healedS + from + SHARE_S) * 1_000];
    const within = after.filter(({ atMs }) => atMs >= begin && atMs < end);
    const own = within.filter(({ by }) => by === agent).length;
    if (within.length > 0 && own / within.length >= HALF_SHARE) {
      return from + SHARE_S;
    }
  }
  return Infinity;
}

/** Mean latency of what was due in each bucket. */
function series(ended: readonly Ended[], seconds: number): number[] {
  return Array.from({ length: Math.ceil(seconds / BUCKET_S) }, (_, i) => {
    const within = ended.filter(({ atMs }) => Math.floor(atMs / 1_000 / BUCKET_S) === i);
    return within.length === 0 ? 0 : places(mean(within.map(({ ms }) => ms)), 1);
  });
}

/** The first calls of a connection, a gateway and an agent are slow for reasons of their own. */
async function warm(callers: Record<Set, Mesh>): Promise<void> {
  for (const set of NAMES) {
    for (let i = 0; i < 2 * AGENTS; i++) {
      await callers[set].call(`${set}.work`, { size: 0.1 });
    }
  }
}

function casting(i: number, slow: boolean): Casting {
  const settings: Worker = {
    serves: Object.fromEntries(NAMES.map((set) => [`${set}-${i}`, `${set}.work`])),
    workMs: WORK_MS,
    slowMs: SLOW_MS,
    slow,
  };
  return { program: 'worker', names: NAMES.map((set) => `${set}-${i}`), settings };
}

function numberOf(agent: string): number {
  return Number(agent.slice(agent.indexOf('-') + 1));
}

function agentsOf(set: Set): string[] {
  return Array.from({ length: AGENTS }, (_, i) => `${set}-${i}`);
}

function users(): { name: string; role: 'agent' }[] {
  return NAMES.flatMap(agentsOf).map((name) => ({ name, role: 'agent' }));
}

function policy(): string {
  return [
    'version: 1',
    'roles:',
    "  asks: { call: ['*.work'], mayRoot: true }",
    ...NAMES.map((set) => `  ${set}: { serve: ['${set}.work'] }`),
    'members:',
    '  me: [asks]',
    ...NAMES.flatMap((set) => agentsOf(set).map((name) => `  ${name}: [${set}]`)),
    'routing:',
    ...NAMES.map((set) => `  '${set}.work': ${SETS[set]}`),
    '',
  ].join('\n');
}

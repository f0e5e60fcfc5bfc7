/**
 * c) A chain of ten of which one member fails, with a backup for each.
 *
 * Every request goes through ten agents, each of which asks the next one. Each link can be done by two agents. One of
 * the two in the middle breaks and says at once, to whoever asks, that it failed; later it is mended. Beside the chain
 * with breakers stands an equal one without, which gets the same requests at the same moments.
 */
import type { Mesh } from '../../src/agent/index.js';
import type { Link, Said } from './agents/link.js';
import { arrivals, mean, openLoad } from './load.js';
import { places, type Figure, type Length, type Played, type Scenario, type Setting } from './scenario.js';
import { onStage, type Casting, type Stage } from './stage.js';

const CHAINS = ['guarded', 'bare'] as const;
type Chain = (typeof CHAINS)[number];

const LINKS = 10;
const BROKEN = 5;
const PLAN = {
  short: { seconds: 6, breaksAt: 1, mendsAt: 5.5, perSecond: 20, processes: 4 },
  full: { seconds: 120, breaksAt: 10, mendsAt: 90, perSecond: 20, processes: 2 * LINKS },
} as const;
/** What must hold. It takes some failures to know of one, and a short time has few requests beside them. */
const LINES = { short: { success: 0.9, wasted: 0.1 }, full: { success: 0.99, wasted: 0.02 } } as const;
const BUCKET_S = 1;
const WARM_UPS = 10;

/** The scenario. */
export const chain: Scenario = {
  name: 'c',
  title: 'a chain of ten with one failing member, and backups',
  play: (setting) =>
    onStage({ policy: policy(), users: users(), gateways: 2 }, (stage) => play(stage, setting)),
};

/** One request that ended. */
interface Ended {
  readonly request: number;
  /** Instant at which it was made. */
  readonly at: number;
  readonly atMs: number;
  readonly ms: number;
  readonly ok: boolean;
}

type Book = Record<Chain, Ended[]>;

async function play(stage: Stage, { length, random, note }: Setting): Promise<Played> {
  const { seconds, perSecond, breaksAt, mendsAt, processes } = PLAN[length];
  const actors = await stage.cast(castings(processes));
  const callers: Record<Chain, Mesh> = { guarded: await stage.connect(), bare: await stage.connect() };
  for (let i = 0; i < WARM_UPS; i++) {
    await Promise.all(CHAINS.map((one) => callers[one].call(`${one}.step1`, { request: -1 })));
  }
  const times = arrivals(random, perSecond, seconds);
  const book: Book = { guarded: [], bare: [] };
  const one = async (which: Chain, request: number, dueMs: number): Promise<void> => {
    const at = Date.now();
    const ok = await callers[which].call(`${which}.step1`, { request }).then(
      () => true,
      () => false,
    );
    book[which].push({ request, at, atMs: times[request] ?? 0, ms: performance.now() - dueMs, ok });
  };
  const tell = (order: string) => () => {
    note(order === 'break' ? 'one of the two in the middle breaks' : 'it is mended');
    actors.forEach((actor) => actor.tell(order));
  };
  note(`${times.length} requests to each chain, ${perSecond} a second`);
  let mended = Infinity;
  await openLoad(times, async (n, due) => void (await Promise.all(CHAINS.map((c) => one(c, n, due)))), [
    { atMs: breaksAt * 1_000, act: tell('break') },
    { atMs: mendsAt * 1_000, act: () => (tell('mend')(), (mended = Date.now())) },
  ]);
  const { checks, figures } = judge(book, stage.said<Said>(), mended, length);
  return { checks, figures: { ...figures, breaksAtS: breaksAt, mendsAtS: mendsAt } };
}

function judge(book: Book, said: readonly Said[], mended: number, length: Length): Played {
  const { seconds } = PLAN[length];
  const facts = (which: Chain): Facts => {
    const wasted = said.filter(({ agent }) => agent === nameOf(which, BROKEN, false));
    return factsOf(book[which], wasted, mended, seconds);
  };
  const [guarded, bare] = [facts('guarded'), facts('bare')];
  return {
    checks: [
      { what: 'success seen by users', value: guarded.success, least: LINES[length].success },
      {
        what: 'requests wasted on the broken agent, of all',
        value: guarded.wastedShare,
        most: LINES[length].wasted,
      },
      { what: 'baseline: requests wasted, of all', value: bare.wastedShare, least: 0.3 },
    ],
    figures: {
      requestsPerChain: book.bare.length,
      bucketS: BUCKET_S,
      guarded: told(guarded),
      bare: told(bare),
    },
  };
}

/** What became of the requests from the first failure of the broken agent until it was mended. */
function factsOf(ended: readonly Ended[], wasted: readonly Said[], mended: number, seconds: number): Facts {
  const first = wasted[0]?.at ?? Infinity;
  const before = ended.filter(({ at }) => at < mended);
  const requests = before.filter(({ at }) => at >= first);
  // The request that met the first failure was made before it, so failures count from the beginning.
  const failures = before.filter(({ ok }) => !ok).length;
  return {
    requests: requests.length,
    wasted: wasted.length,
    wastedShare: wasted.length / requests.length,
    success: 1 - failures / requests.length,
    meanMs: places(mean(requests.map(({ ms }) => ms)), 1),
    series: series(ended, seconds),
  };
}

interface Facts {
  readonly requests: number;
  readonly wasted: number;
  readonly wastedShare: number;
  readonly success: number;
  readonly meanMs: number;
  readonly series: readonly number[];
}

function told(one: Facts): Figure {
  const { wastedShare, success } = one;
  return { ...one, wastedShare: places(wastedShare, 4), success: places(success, 4) };
}

/** Share of success of what was made in each bucket. */
function series(ended: readonly Ended[], seconds: number): number[] {
  return Array.from({ length: Math.ceil(seconds / BUCKET_S) }, (_, i) => {
    const within = ended.filter(({ atMs }) => Math.floor(atMs / 1_000 / BUCKET_S) === i);
    return within.length === 0 ? 1 : places(within.filter(({ ok }) => ok).length / within.length, 3);
  });
}

function nameOf(which: Chain, step: number, backup: boolean): string {
  return `${which}-${step}${backup ? 'b' : ''}`;
}

/** The links of both chains, dealt out to so many processes. */
function castings(processes: number): Casting[] {
  const both = [false, true].flatMap((backup) =>
    Array.from({ length: LINKS }, (_, i) =>
      CHAINS.map((which): Link => {
        const asks = i + 1 < LINKS ? { asks: `${which}.step${i + 2}` } : {};
        return { name: nameOf(which, i + 1, backup), serves: `${which}.step${i + 1}`, ...asks };
      }),
    ),
  );
  const breaks = CHAINS.map((which) => nameOf(which, BROKEN, false));
  return Array.from({ length: processes }, (_, p) => {
    const links = both.filter((_pair, i) => i % processes === p).flat();
    return { program: 'link', names: links.map(({ name }) => name), settings: { links, breaks } };
  });
}

function everybody(): string[] {
  return CHAINS.flatMap((which) =>
    Array.from({ length: LINKS }, (_, i) => [nameOf(which, i + 1, false), nameOf(which, i + 1, true)]).flat(),
  );
}

function users(): { name: string; role: 'agent' }[] {
  return everybody().map((name) => ({ name, role: 'agent' }));
}

function policy(): string {
  return `version: 1
roles:
  asks: { call: ['*.*'], mayRoot: true }
  link: { serve: ['*.*'], call: ['*.*'] }
members:
  me: [asks]
${everybody()
  .map((name) => `  ${name}: [link]`)
  .join('\n')}
breakers:
  'guarded.*': { minimum: 3 }
`;
}

/**
 * Rankings: the candidates of one route in bands, the best first. Within a band all count as equal and the load
 * decides. Made anew a few times a second and when somebody comes or goes, so that a choice only looks.
 */
import type { Instance } from '../roster.js';
import type { Known } from '../stats.js';
import { limits } from '../../wire/limits.js';
import { turnOf, type Candidate } from './candidates.js';
import type { Difficulty, Route } from './route.js';
import { bandEnd, bestOf, scoreOf, type Best } from './score.js';

/** Instances that count as equal. */
export interface Band {
  readonly instances: Instance[];
  next: number;
}

/** One candidate and where it stands. */
export interface Ranked {
  readonly one: Candidate;
  readonly score: number;
  /** Its place: turn by difficulty, then tier of success, then band; undefined when it may only be tried. */
  readonly key: number | undefined;
  /** The floor it is above; 0 without one. */
  readonly tier: number;
}

/** A candidate that may be tried, with what is known of it. */
export interface Probe {
  readonly at: Ranked;
  readonly known: Known;
}

/** The candidates of one route. */
export interface Ranking {
  readonly bands: readonly Band[];
  readonly ranked: ReadonlyMap<string, Ranked>;
  /** How many there are. */
  readonly of: number;
  /** Those that a decision names beside the chosen one: first the best, then the cheapest, safest and fastest. */
  readonly shown: readonly Ranked[];
  /** Those worth a try now, the one of which least is known first. */
  readonly probes: readonly Probe[];
  /** How often one of them gets a call: once in so many. */
  readonly probeShare: number;
}

/** What a ranking is made for. */
export interface RankFor {
  readonly route: Route;
  readonly difficulty: Difficulty | undefined;
  /** Where the caller is. */
  readonly place: string | undefined;
}

const BANDS = 8;
const TIERS = 8;
/** So old, and a try is worth more. */
const OLD_MS = 20_000;

/** Rank candidates. `next`: where the round begins in each band. */
export function rank(list: readonly Candidate[], how: RankFor, nowMs: number, next: number): Ranking {
  const best = bestOf(list);
  const scored = list.flatMap((one) => {
    const turn = turnOf(one.offer, how.difficulty);
    return turn === undefined ? [] : [{ one, turn, score: scoreOf(how.route, one, best, how.place) }];
  });
  scored.sort((a, b) => a.score - b.score);
  const ends = endsOf(
    how.route,
    scored.map(({ score }) => score),
  );
  const all = scored.map(({ one, turn, score }) => ranked(how.route, one, turn, score, ends));
  all.sort((a, b) => (a.key ?? Infinity) - (b.key ?? Infinity));
  const probes = probesOf(all, how, best, ends, nowMs);
  const eager = probes.some(({ known }) => known.mends || nowMs - known.lastMs > OLD_MS);
  return {
    bands: bandsOf(all, next),
    ranked: new Map(all.map((one) => [one.one.agent, one])),
    of: all.length,
    shown: shownOf(all),
    probes,
    probeShare: (limits.routeProbePercent / 100) * (eager ? 5 : 1),
  };
}

/** Where each band ends. The last one takes the rest. */
function endsOf({ by }: Route, scores: readonly number[]): number[] {
  const ends: number[] = [];
  for (const score of scores) {
    if (score > (ends.at(-1) ?? -Infinity) && ends.length < BANDS) {
      ends.push(bandEnd(by, score));
    }
  }
  return ends;
}

function bandAt(ends: readonly number[], score: number): number {
  const band = ends.findIndex((end) => score <= end);
  return band < 0 ? BANDS - 1 : band;
}

function ranked(route: Route, one: Candidate, turn: number, score: number, ends: readonly number[]): Ranked {
  const { tiers, never } = route;
  const tier = tiers.findIndex((floor) => one.success >= floor);
  const place = tier < 0 ? tiers.length : tier;
  const out = one.success < never;
  return {
    one,
    score,
    key: out ? undefined : (turn * TIERS + place) * BANDS + bandAt(ends, score),
    tier: tiers[tier] ?? (out ? 0 : never),
  };
}

function bandsOf(all: readonly Ranked[], next: number): Band[] {
  const bands: Band[] = [];
  let last: number | undefined;
  for (const { key, one } of all) {
    if (key === undefined) {
      break;
    }
    if (key !== last) {
      bands.push({ instances: [], next });
      last = key;
    }
    bands.at(-1)?.instances.push(...one.instances);
  }
  return bands;
}

/** Who stands behind the first band for what was measured long ago, and would not if it did well now. */
function probesOf(
  all: readonly Ranked[],
  { route, difficulty, place }: RankFor,
  best: Best,
  ends: readonly number[],
  nowMs: number,
): Probe[] {
  const first = all[0]?.key ?? Infinity;
  const probes = all.flatMap((at): Probe[] => {
    const { one, key } = at;
    const { known } = one;
    if (known === undefined || (key !== undefined && key <= first) || !isDue(known, nowMs)) {
      return [];
    }
    const turn = turnOf(one.offer, difficulty) ?? 0;
    const hoped = turn * TIERS * BANDS + bandAt(ends, scoreOf(route, one, best, place, true));
    return hoped <= first ? [{ at, known }] : [];
  });
  return probes
    .sort((a, b) => Number(b.known.mends) - Number(a.known.mends) || a.known.lastMs - b.known.lastMs)
    .slice(0, BANDS);
}

/** Is what is known of it old enough for a try? */
export function isDue(known: Known, nowMs: number): boolean {
  const since = nowMs - Math.max(known.lastMs, known.triedMs);
  return since >= (known.mends ? limits.routeTrialMs : limits.routeProbeMs);
}

function shownOf(all: readonly Ranked[]): Ranked[] {
  const least = (of: (one: Candidate) => number): Ranked[] => {
    let found: Ranked | undefined;
    for (const at of all) {
      if (at.key !== undefined && (found === undefined || of(at.one) < of(found.one))) {
        found = at;
      }
    }
    return found === undefined ? [] : [found];
  };
  const named = [
    ...least(({ micros }) => micros),
    ...least(({ success }) => -success),
    ...least(({ ms }) => ms ?? Infinity),
  ];
  return [...new Set([...named, ...all])].slice(0, limits.routeShown);
}

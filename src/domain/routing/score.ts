/**
 * Scores: how well a candidate suits a route, the lower the better, and how near two scores are to count as equal.
 */
import type { Candidate } from './candidates.js';
import type { Route } from './route.js';

/** What scores are held against: the best of all candidates. */
export interface Best {
  readonly ms: number;
  readonly micros: number;
}

/** Success below this does not make a try dearer: nothing is divided by nearly nothing. */
const LEAST = 0.05;
/** Scores so near to the best of their band belong to it. */
const NEAR: Readonly<Record<Route['by'], (score: number) => number>> = {
  fastest: (score) => score * 1.5 + 1,
  cheapest: (score) => score * 1.25,
  best: (score) => score + 0.03,
  weighted: (score) => score + 0.1,
  nearest: (score) => score,
  preferred: (score) => score,
  'least-loaded': (score) => score,
  'round-robin': (score) => score,
};

/** Who fails half of its calls counts as four times as slow and as dear: a failure is worse than a second try. */
function perSuccess(value: number, success: number): number {
  return value / Math.max(LEAST, success) ** 2;
}

/** The best time and the best price. A time counts when it was measured often enough. */
export function bestOf(list: readonly Candidate[]): Best {
  let ms = Infinity;
  let micros = Infinity;
  for (const one of list) {
    if (one.ms !== undefined && one.known?.settled === true) {
      ms = Math.min(ms, perSuccess(one.ms, one.success));
    }
    micros = Math.min(micros, perSuccess(one.micros, one.success));
  }
  return { ms: ms === Infinity ? 0 : ms, micros: micros === Infinity ? 0 : micros };
}

/**
 * The score of a candidate.
 * `hoping`: as if it had done as well as anybody, which is what a try would be for.
 */
export function scoreOf(
  route: Route,
  one: Candidate,
  best: Best,
  place: string | undefined,
  hoping = false,
): number {
  const success = hoping ? 1 : one.success;
  const ms = one.ms === undefined || hoping ? best.ms : perSuccess(one.ms, success);
  const micros = perSuccess(one.micros, success);
  switch (route.by) {
    case 'fastest':
      return ms;
    case 'cheapest':
      return micros;
    case 'best':
      return 1 - success;
    case 'weighted':
      return weighted(route, 1 - (best.ms + 1) / (ms + 1), 1 - (best.micros + 1) / (micros + 1), 1 - success);
    case 'nearest':
      return distance(String(one.offer.attributes[route.near] ?? ''), place);
    case 'preferred': {
      const at = route.prefer.indexOf(one.agent);
      return at < 0 ? route.prefer.length : at;
    }
    default:
      return 0;
  }
}

/** Losses from 0 (as good as the best) to 1. */
function weighted({ weights }: Route, latency: number, cost: number, success: number): number {
  const all = weights.latency + weights.cost + weights.success;
  return (
    (weights.latency * Math.max(0, latency) + weights.cost * Math.max(0, cost) + weights.success * success) /
    all
  );
}

/** How far two places are: parts of the name that differ (`eu-west-1` is nearer to `eu-west-2` than to `us-east-1`). */
export function distance(there: string, here: string | undefined): number {
  if (here === undefined || here === '' || there === here) {
    return 0;
  }
  const [a, b] = [there.split('-'), here.split('-')];
  const same = a.findIndex((part, i) => part !== b[i]);
  return Math.max(a.length, b.length) - (same < 0 ? a.length : same);
}

/** The end of the band that begins with this score. */
export function bandEnd(by: Route['by'], score: number): number {
  return NEAR[by](score);
}

/**
 * Why an instance was chosen, as it stands in the decision: `routed`. One line for each candidate:
 * `agent score success ms micros`, with `-` for what is not known.
 */
import type { DecisionRecord } from '../../wire/generated/messages.js';
import type { Instance } from '../roster.js';
import { takes, type Asked } from './plain.js';
import type { Ranked, Ranking } from './ranking.js';
import type { Route } from './route.js';
import type { Wish } from './wish.js';

/** What a decision says of its choice. */
export type Routed = NonNullable<DecisionRecord['routed']>;

/** An instance, and why; without a word where only the load counted. */
export interface Chosen {
  readonly instance: Instance;
  readonly routed: Routed | undefined;
}

/**
 * `first`: of the best band. `full`: those of better bands could take nothing. `probe`: to see how it does now.
 */
export type Why = Routed['why'];

const lines = new WeakMap<Ranked, string>();

/** One candidate as a line: made once for each ranking. */
export function lineOf(at: Ranked): string {
  let line = lines.get(at);
  if (line === undefined) {
    const { agent, known, success, ms, micros } = at.one;
    const told = known === undefined ? '-' : short(success);
    line = `${agent} ${short(at.score)} ${told} ${ms === undefined ? '-' : short(ms)} ${short(micros)}`;
    lines.set(at, line);
  }
  return line;
}

/** Three places behind the point are more than is known. */
function short(value: number): string {
  return String(Math.round(value * 1_000) / 1_000);
}

/** The lines of those that a decision names, without the chosen one. */
function othersOf({ shown }: Ranking, at: Ranked): readonly Ranked[] {
  return shown.includes(at) ? shown.filter((one) => one !== at) : shown;
}

/** What the decision says. */
export function routedOf(
  { ranking, route }: { readonly ranking: Ranking; readonly route: Route },
  at: Ranked,
  why: Why,
  asked: Asked,
  wish: Wish | undefined,
  place: string | undefined,
): Routed {
  const others = othersOf(ranking, at);
  const { by, near } = route;
  const routed: Routed = { by, why, of: ranking.of, chosen: lineOf(at), others: others.map(lineOf) };
  if (at.tier > 0) {
    routed.floor = at.tier;
  }
  const away = awayOf(others, asked);
  if (away !== undefined) {
    routed.away = away;
  }
  if (wish?.asked !== undefined) {
    routed.asked = wish.asked;
  }
  if (wish?.difficulty !== undefined) {
    routed.difficulty = wish.difficulty;
  }
  if (by === 'nearest' && place !== undefined) {
    routed.place = `${near}=${place}`;
  }
  return routed;
}

/** Which of them can take nothing now, by their place. */
function awayOf(others: readonly Ranked[], asked: Asked): number[] | undefined {
  let away: number[] | undefined;
  others.forEach(({ one }, i) => {
    if (!one.instances.some((instance) => instance !== asked.avoid && takes(instance, asked))) {
      (away ??= []).push(i);
    }
  });
  return away;
}

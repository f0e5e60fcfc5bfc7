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

/** Four places are more than is known. */
function short(value: number): string {
  return String(Number(value.toPrecision(4)));
}

/** What the decision says. */
export function routedOf(
  ranking: Ranking,
  { by, near }: Route,
  at: Ranked,
  why: Why,
  asked: Asked,
  more: { readonly wish: Wish | undefined; readonly place: string | undefined },
): Routed {
  const others: string[] = [];
  const away: number[] = [];
  for (const one of ranking.shown) {
    if (one !== at) {
      if (!one.one.instances.some((i) => i !== asked.avoid && takes(i, asked))) {
        away.push(others.length);
      }
      others.push(lineOf(one));
    }
  }
  const routed: Routed = { by, why, of: ranking.of, chosen: lineOf(at), others };
  if (at.tier > 0) {
    routed.floor = at.tier;
  }
  if (away.length > 0) {
    routed.away = away;
  }
  if (more.wish?.asked !== undefined) {
    routed.asked = more.wish.asked;
  }
  if (more.wish?.difficulty !== undefined) {
    routed.difficulty = more.wish.difficulty;
  }
  if (by === 'nearest' && more.place !== undefined) {
    routed.place = `${near}=${more.place}`;
  }
  return routed;
}

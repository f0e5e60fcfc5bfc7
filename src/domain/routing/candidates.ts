/**
 * Candidates: the agents that offer a capability and have an attribute, with what is known of each.
 */
import type { Token } from '../../wire/names.js';
import type { Offer } from '../card.js';
import type { Entry } from '../registry.js';
import type { Instance, Roster } from '../roster.js';
import type { Known, Stats } from '../stats.js';
import type { Difficulty, Selector } from './route.js';

/** One agent that may get the call. */
export interface Candidate {
  readonly agent: Token;
  readonly offer: Offer;
  readonly known: Known | undefined;
  readonly instances: readonly Instance[];
  /** Share of its attempts that complete; 1 when nothing is known, so that it is tried. */
  readonly success: number;
  /** Time of work in ms; undefined when nothing is known. */
  readonly ms: number | undefined;
  /** Price of a call in micro-USD: measured, else what its card says. */
  readonly micros: number;
}

/** Does the agent have all of the attributes? */
export function hasAll({ attributes }: Offer, where: readonly Selector[]): boolean {
  return where.every(
    ([name, value]) => Object.hasOwn(attributes, name) && String(attributes[name]) === value,
  );
}

/**
 * Who may get a call of the entry: live instances of agents with the attributes. What was measured at calls of the same
 * difficulty counts, where it is enough to say something; else what was measured at all of them.
 */
export function candidatesOf(
  entry: Entry,
  roster: Roster,
  stats: Stats | undefined,
  where: readonly Selector[],
  difficulty?: Difficulty,
): Candidate[] {
  const list: Candidate[] = [];
  for (const [agent, offer] of entry.offers) {
    const instances = roster.of(agent);
    if (instances.length > 0 && hasAll(offer, where)) {
      const all = stats?.of(entry.name, agent);
      const such = difficulty === undefined ? undefined : stats?.of(entry.name, agent, difficulty);
      const known = such?.sure === true ? such : all;
      const micros = known?.micros ?? all?.micros ?? offer.costMicros;
      const ms = known?.ms ?? all?.ms;
      list.push({ agent, offer, known, instances, success: known?.success ?? 1, ms, micros });
    }
  }
  return list;
}

/** Who is asked first, by how hard the call is: whoever stands in no list of it gets none of these calls. */
const TURNS: Readonly<Record<Difficulty, readonly Offer['proficiency'][]>> = {
  easy: ['novice', 'competent', 'expert'],
  normal: ['competent', 'expert', 'novice'],
  hard: ['expert', 'competent'],
};

/** The turn of the agent, 0 first; undefined when such a call is not for it. */
export function turnOf({ proficiency }: Offer, difficulty: Difficulty | undefined): number | undefined {
  if (difficulty === undefined) {
    return 0;
  }
  const turn = TURNS[difficulty].indexOf(proficiency);
  return turn < 0 ? undefined : turn;
}

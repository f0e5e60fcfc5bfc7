/**
 * Picking from a ranking: whoever's turn it is to be tried, else the best band that has somebody free.
 */
import type { Instance } from '../roster.js';
import type { Why } from './chosen.js';
import { inTurn, lessLoaded, takes, type Asked } from './plain.js';
import { isDue, type Ranking } from './ranking.js';
import type { Objective } from './route.js';

/** A ranking that is picked from, again and again. */
export interface Picking {
  readonly by: Objective;
  readonly ranking: Ranking;
  /** Grows to 1, then somebody may be tried. */
  credit: number;
}

/** Who was picked, and why. */
export interface Picked {
  readonly instance: Instance;
  readonly why: Why;
}

/** How many of a band are looked at before the next one. */
const LOOKS = 8;

/** Pick one; undefined when nobody who may is free. */
export function pickFrom(from: Picking, asked: Asked): Picked | undefined {
  const { bands, ranked } = from.ranking;
  const tried = toTry(from, asked);
  if (tried !== undefined) {
    return { instance: tried, why: 'probe' };
  }
  const turn = from.by === 'round-robin' ? inTurn : lessLoaded;
  for (let most = LOOKS; ; most = Infinity) {
    for (let i = 0; i < bands.length; i++) {
      const band = bands[i];
      const instance = band === undefined ? undefined : turn(band, asked, most);
      if (instance !== undefined) {
        return { instance, why: i === 0 ? 'first' : 'full' };
      }
    }
    if (most === Infinity) {
      break;
    }
  }
  const { avoid } = asked;
  const again = avoid !== undefined && ranked.get(avoid.agent)?.key !== undefined && takes(avoid, asked);
  return again ? { instance: avoid, why: 'full' } : undefined;
}

/** Pick an instance of one agent; undefined when it is in no band, or none of its own is free. */
export function pickAgent(
  { by, ranking: { ranked } }: Picking,
  agent: string,
  next: number,
  asked: Asked,
): Picked | undefined {
  const at = ranked.get(agent);
  const [best] = ranked.values();
  const turn = by === 'round-robin' ? inTurn : lessLoaded;
  const instance = at?.key === undefined ? undefined : turn({ instances: at.one.instances, next }, asked);
  return instance && { instance, why: at?.key === best?.key ? 'first' : 'full' };
}

/** Whose turn it is to be tried, if there is credit for it. */
function toTry(from: Picking, asked: Asked): Instance | undefined {
  const { probes, probeShare } = from.ranking;
  from.credit = Math.min(1, from.credit + probeShare);
  if (probes.length === 0 || from.credit < 1) {
    return undefined;
  }
  for (const { at, known } of probes) {
    if (isDue(known, asked.nowMs)) {
      const instance = at.one.instances.find((one) => one !== asked.avoid && takes(one, asked));
      if (instance !== undefined) {
        known.triedMs = asked.nowMs;
        from.credit = 0;
        return instance;
      }
    }
  }
  return undefined;
}

/**
 * What a policy says of breakers: when one opens, how long it stays open, and what then happens to calls.
 */
import { isCapability } from '../../wire/names.js';
import { ByPattern } from './by-pattern.js';

/** What the policy says of capabilities under one pattern. */
export interface BreakerSource {
  readonly failures?: number | undefined;
  readonly slow?: number | undefined;
  readonly slowShare?: number | undefined;
  readonly minimum?: number | undefined;
  readonly window?: number | undefined;
  readonly open?: number | undefined;
  readonly openMax?: number | undefined;
  readonly ramp?: number | undefined;
  readonly callerShare?: number | undefined;
  readonly fallback?: string | undefined;
  readonly park?: boolean | undefined;
}

/** The breakers of one capability. Times in ms, shares in percent. */
export interface BreakerRules {
  /** From this share of bad ends on it opens. */
  readonly failures: number;
  /** An answer that takes longer is slow; undefined: none is. */
  readonly slow: number | undefined;
  readonly slowShare: number;
  /** Ends in the window that it takes to judge. */
  readonly minimum: number;
  readonly window: number;
  /** It stays open for so long, doubled with each time in a row up to `openMax`. */
  readonly open: number;
  readonly openMax: number;
  /** After it closed, traffic grows to its full amount over this time. */
  readonly ramp: number;
  /** One caller makes up at most this share of the minimum, where a breaker opens for all. */
  readonly callerShare: number;
  /** Who is asked when all agents of the capability are out. */
  readonly fallback: string | undefined;
  /** Calls wait, parked, when all agents of the capability are out. */
  readonly park: boolean;
}

/** What counts where the policy says nothing of it. */
export const breakerDefaults = {
  failures: 50,
  slowShare: 80,
  minimum: 10,
  window: 10_000,
  open: 2_000,
  openMax: 60_000,
  ramp: 5_000,
  callerShare: 25,
} as const;

/** The breakers by capability; undefined where the policy wants none. */
export function breakersOf(
  sources: Readonly<Record<string, BreakerSource>> = {},
): ByPattern<BreakerRules | undefined> {
  const entries = Object.entries(sources).map(([pattern, said]): [string, BreakerRules] => [
    pattern,
    rulesOf(said),
  ]);
  return new ByPattern(entries, undefined);
}

function rulesOf(said: BreakerSource): BreakerRules {
  const d = breakerDefaults;
  const open = said.open ?? d.open;
  return {
    failures: said.failures ?? d.failures,
    slow: said.slow,
    slowShare: said.slowShare ?? d.slowShare,
    minimum: said.minimum ?? d.minimum,
    window: said.window ?? d.window,
    open,
    openMax: said.openMax ?? Math.max(open, d.openMax),
    ramp: said.ramp ?? d.ramp,
    callerShare: said.callerShare ?? d.callerShare,
    fallback: said.fallback,
    park: said.park ?? false,
  };
}

/** What cannot be meant: key below `breakers`, and why. */
export function breakerTroubles(
  sources: Readonly<Record<string, BreakerSource>>,
): (readonly [where: string, why: string])[] {
  const troubles = Object.entries(sources).flatMap(([pattern, said]) =>
    wrong(said).map(([key, why]) => [`${pattern}.${key}`, why] as const),
  );
  return [...troubles, ...circles(sources)];
}

function wrong(said: BreakerSource): (readonly [key: string, why: string])[] {
  const rules = rulesOf(said);
  const list: [string, string][] = [];
  if (rules.openMax < rules.open) {
    list.push(['openMax', `it is shorter than open (${rules.open} ms): it could not stay open for as long`]);
  }
  if (said.slowShare !== undefined && said.slow === undefined) {
    list.push(['slowShare', 'without slow nothing is slow, and it never counts']);
  }
  if (rules.callerShare >= rules.failures) {
    const why = `one caller alone (${rules.callerShare} %) could open it for all others (failures: ${rules.failures} %)`;
    list.push([said.callerShare === undefined ? 'failures' : 'callerShare', why]);
  }
  if (rules.slow !== undefined && rules.callerShare >= rules.slowShare) {
    const why = `one caller alone (${rules.callerShare} %) could open it for all others (slowShare: ${rules.slowShare} %)`;
    list.push(['slowShare', why]);
  }
  if (said.fallback !== undefined && said.park === true) {
    list.push(['park', 'calls cannot both go to the fallback and be parked: name one']);
  }
  return list;
}

/** Fallbacks that lead to themselves, or back to where they began: calls could go round and never be answered. */
function circles(sources: Readonly<Record<string, BreakerSource>>): (readonly [string, string])[] {
  const by = breakersOf(sources);
  return Object.entries(sources).flatMap(([pattern, { fallback }]) => {
    const way = new Set<string>();
    let last: string | undefined;
    for (let at = fallback; at !== undefined && isCapability(at); at = by.of(at)?.fallback) {
      if (way.has(at)) {
        const why =
          last === at
            ? `${at} falls under breakers with this very fallback: it would fall back to itself`
            : `the fallbacks go in a circle: ${[...way, at].join(' > ')}`;
        return [[`${pattern}.fallback`, why] as const];
      }
      way.add(at);
      last = at;
    }
    return [];
  });
}

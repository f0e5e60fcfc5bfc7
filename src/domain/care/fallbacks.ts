/**
 * Fallbacks that cannot take the calls they are for, as the cards of the registry say: nobody offers them, or their
 * contract is another one. Such a fallback is never used, and its calls are refused when they should have gone there.
 */
import { sorted } from '../card.js';
import type { Entry, Registry } from '../registry.js';
import type { BreakerRules } from './breaker-rules.js';
import type { ByPattern } from './by-pattern.js';

/** A fallback that is of no use for one capability. */
export interface IdleFallback {
  readonly capability: string;
  readonly major: number;
  readonly fallback: string;
  /** Nobody offers it, or what they offer differs in its contract. */
  readonly why: 'unserved' | 'contract';
  /** What differs. */
  readonly differs?: readonly ('input' | 'output' | 'idempotent' | 'lifeMs')[];
}

/** What a call of `own` is given instead: the same major if somebody ever offered it, else the highest. */
export function insteadOf(registry: Registry, own: Entry, fallback: string): Entry | undefined {
  return registry.find(fallback, own.major) ?? registry.find(fallback);
}

/** All of them, by capability. */
export function idleFallbacks(
  breakers: ByPattern<BreakerRules | undefined>,
  registry: Registry,
): IdleFallback[] {
  const idle: IdleFallback[] = [];
  for (const own of breakers.empty ? [] : registry.search('>')) {
    const fallback = breakers.of(own.name)?.fallback;
    if (fallback !== undefined && own.offers.size > 0) {
      const entry = insteadOf(registry, own, fallback);
      const about = { capability: own.name, major: own.major, fallback };
      if (entry === undefined || entry.offers.size === 0) {
        idle.push({ ...about, why: 'unserved' });
      } else if (entry.contract !== own.contract) {
        idle.push({ ...about, why: 'contract', differs: differences(own, entry) });
      }
    }
  }
  return idle.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

/** Tells them apart, also by what is wrong. */
export function keyOf({ capability, major, fallback, why, differs = [] }: IdleFallback): string {
  return [capability, major, fallback, why, ...differs].join(' ');
}

function differences(own: Entry, other: Entry): NonNullable<IdleFallback['differs']> {
  const [[mine], [theirs]] = [[...own.offers.values()], [...other.offers.values()]];
  return (['input', 'output', 'idempotent', 'lifeMs'] as const).filter(
    (part) => JSON.stringify(sorted(mine?.[part])) !== JSON.stringify(sorted(theirs?.[part])),
  );
}

/**
 * What a policy says about failures that must not spread.
 */
import type { PolicyData } from '../policy-data.js';
import type { ByPattern } from './by-pattern.js';
import { breakersOf, type BreakerRules } from './breaker-rules.js';
import { retriesOf, type RetryRules } from './retries.js';
import { loopsOf, type LoopBounds } from './loops.js';

/** The parts, compiled. */
export interface Care {
  readonly loops: ByPattern<LoopBounds>;
  /** Undefined for capabilities without breakers. */
  readonly breakers: ByPattern<BreakerRules | undefined>;
  /** Undefined for capabilities whose failures are final. */
  readonly retries: ByPattern<RetryRules | undefined>;
}

/** Compile them. What was read and checked before cannot be wrong. */
export function careOf({
  loops,
  breakers,
  retries,
}: Pick<PolicyData, 'loops' | 'breakers' | 'retries'>): Care {
  return { loops: loopsOf(loops), breakers: breakersOf(breakers), retries: retriesOf(retries) };
}

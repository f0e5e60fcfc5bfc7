/**
 * What a policy says about failures that must not spread.
 */
import type { PolicyData } from '../policy-data.js';
import type { ByPattern } from './by-pattern.js';
import { loopsOf, type LoopBounds } from './loops.js';

/** The parts, compiled. */
export interface Care {
  readonly loops: ByPattern<LoopBounds>;
}

/** Compile them. What was read and checked before cannot be wrong. */
export function careOf({ loops }: Pick<PolicyData, 'loops'>): Care {
  return { loops: loopsOf(loops) };
}

import { limits } from '../wire/limits.js';

/**
 * How long to wait before the next attempt, in ms: doubling, capped, with full jitter in its upper half.
 * `attempt` counts from 1, `chance` is in [0, 1).
 */
export function backoffMs(attempt: number, chance: number): number {
  const full = Math.min(limits.backoffMaxMs, limits.backoffMs * 2 ** Math.max(0, attempt - 1));
  return Math.round(full / 2 + (full / 2) * chance);
}

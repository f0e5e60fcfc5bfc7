/**
 * Turning calls away early, the lowest priority first, so that what was accepted can end.
 */
import { meshError, type MeshError } from '../wire/errors.js';
import { limits } from '../wire/limits.js';
import type { Priority } from '../wire/priority.js';
import type { Core } from './core.js';

/** The queue of a caller is as long as it may be. */
export function shedError(from: string, retryAfterMs: number): MeshError {
  return meshError('queue_full', { from, retry_after_ms: retryAfterMs });
}

/** Why a call of this priority is not taken while a stream is nearly full, or undefined. */
export function overloadOf({ overload }: Pick<Core, 'overload'>, priority: Priority): MeshError | undefined {
  if (overload === undefined || overload.percent <= highFor(priority)) {
    return undefined;
  }
  const { stream, percent } = overload;
  const retry_after_ms = 2 * limits.peerBeatMs;
  return meshError('overloaded', { what: stream, percent: Math.round(percent), retry_after_ms });
}

/** How full a stream may be for a call of this priority, in percent. */
export function highFor(priority: Priority): number {
  const { streamHighPercent: high, priorityStepPercent: step } = limits;
  return priority === 'normal' ? high : priority === 'critical' ? high + step : high - step;
}

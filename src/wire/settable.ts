/**
 * Bounds that an operator may set, each within a range. What does not stand here is a promise, or must be the same in
 * all processes.
 */
import { limits, type LimitName } from './limits.js';

/** Least and greatest value, in the unit of the bound. */
export const settable: Readonly<Partial<Record<LimitName, readonly [min: number, max: number]>>> = {
  deadlineDefaultMs: [1_000, 600_000],
  attemptMs: [100, 3_600_000],
  dispatches: [1, 5],
  crashTakes: [1, 5],
  backoffMs: [10, 60_000],
  backoffMaxMs: [100, 600_000],
  lostGraceMs: [100, 600_000],
  waiting: [16, 65_536],
  takesInFlight: [16, 65_536],
  openPerGateway: [100, 1_000_000],
  parkedRetryMs: [100, 60_000],
  parked: [100, 1_000_000],
  wakesInFlight: [1, 1_024],
  cancels: [100, 1_000_000],
  cancelKeepMs: [1_000, 600_000],
  agents: [1, 100_000],
  instancesPerAgent: [1, 10_000],
  capabilities: [1, 200_000],
  streamHighPercent: [65, 95],
  decisionKeepPercent: [1, 60],
  viewScan: [1_000, 10_000_000],
};

/** Set bounds of this process, before it begins its work. Throws RangeError for what may not be set so. */
export function setLimits(values: Readonly<Partial<Record<LimitName, number>>>): void {
  for (const [name, value] of Object.entries(values) as [LimitName, number][]) {
    const [min, max] = settable[name] ?? [];
    if (min === undefined || max === undefined || !Number.isInteger(value) || value < min || value > max) {
      throw new RangeError(`the limit ${name} cannot be ${value}`);
    }
    (limits as Record<LimitName, number>)[name] = value;
  }
}

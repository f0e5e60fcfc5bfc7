/**
 * What a task says that it used.
 */
import { isUsage, type Usage } from '../wire/usage.js';
import { meshError } from '../wire/errors.js';
import { header, type HeaderLines } from '../wire/headers.js';

/** Amounts by unit, and whether they are only an upper bound. */
export interface UsedSoFar {
  readonly amounts: Usage;
  readonly bound: boolean;
}

/** Add to what was said before; a unit said again replaces its amount. Throws usage where an amount is none. */
export function withUsage(
  before: UsedSoFar | undefined,
  more: Readonly<Record<string, number>>,
  bound: boolean,
): UsedSoFar {
  const amounts = { ...before?.amounts, ...more };
  if (!isUsage(amounts)) {
    const why =
      'amounts are whole numbers from 0 to 2^53−1, by at most 16 units of 1 to 32 letters and digits';
    throw meshError('usage', { why: `ctx.usage(${JSON.stringify(more).slice(0, 200)}): ${why}` });
  }
  return { amounts, bound };
}

/** The headers of a result that say it. */
export function usageLines(used: UsedSoFar | undefined): HeaderLines {
  return used === undefined
    ? []
    : [
        [header.usage, JSON.stringify(used.amounts)],
        [header.usageBound, used.bound ? 1 : undefined],
      ];
}

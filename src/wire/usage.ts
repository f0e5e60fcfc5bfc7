/**
 * What an agent says that a task used: whole amounts by unit. Where one of them is none, nothing of it counts: half a
 * usage would be too cheap.
 */

/** Amounts by unit, each an integer from 0 to 2^53−1. */
export type Usage = Readonly<Record<string, number>>;

/** How an agent knows what it says. Only what a meter says is more than its word. */
export interface Used {
  /** As an agent said it that nobody measures. */
  readonly reported?: Usage;
  /** As a meter measured it. */
  readonly measured?: Usage;
  /** As a meter says when it could not measure: it was not more than this. */
  readonly bounded?: Usage;
}

const MAX_CHARS = 1_024;
const MAX_UNITS = 16;
const UNIT = /^[A-Za-z][A-Za-z0-9_]{0,31}$/;

/** Are these amounts of a usage: at most 16 units, each with a whole amount that is not negative? */
export function isUsage(value: unknown): value is Usage {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return false;
  }
  const entries = Object.entries(value);
  return (
    entries.length > 0 &&
    entries.length <= MAX_UNITS &&
    entries.every(([unit, amount]) => UNIT.test(unit) && Number.isSafeInteger(amount) && amount >= 0)
  );
}

/** The usage in a header, or nothing where it is none. */
export function readUsage(text: string | undefined): Usage | undefined {
  if (text === undefined || text.length > MAX_CHARS) {
    return undefined;
  }
  try {
    const value: unknown = JSON.parse(text);
    return isUsage(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

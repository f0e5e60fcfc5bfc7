/**
 * Amounts: what is reserved, used and left, in whole units from 0 to 2^53−1. Nothing here rounds: what cannot be said
 * exactly is refused.
 */
import { meshError } from '../../wire/errors.js';

/** Millionths of a US dollar, tokens of models, and milliseconds of an agent's work. A missing unit is none of it. */
export interface Amounts {
  readonly micros?: number;
  readonly tokens?: number;
  readonly computeMs?: number;
}

/** What can be counted. */
export type Unit = keyof Amounts;

/** All units, in the order in which they are shown. */
export const UNITS: readonly Unit[] = ['micros', 'tokens', 'computeMs'];

/** None of anything. */
export const ZERO: Amounts = {};

/** Is it a whole number from 0 to 2^53−1? */
export function isAmount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** The value as an amount. Throws amount_invalid; `where` says which one it was meant to be. */
export function asAmount(value: unknown, where: string): number {
  if (isAmount(value)) {
    return value;
  }
  const text = typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : String(value).slice(0, 40);
  throw meshError('amount_invalid', { value: text, where });
}

/** The value as amounts: known units only, each an amount. Throws amount_invalid. */
export function asAmounts(value: unknown, where: string): Amounts {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw meshError('amount_invalid', { value: value === null ? 'null' : typeof value, where });
  }
  const amounts: { -readonly [U in Unit]?: number } = {};
  for (const [unit, one] of Object.entries(value)) {
    if (!isUnit(unit)) {
      throw meshError('amount_invalid', { value: `the unit ${JSON.stringify(unit.slice(0, 40))}`, where });
    }
    if (one !== undefined) {
      amounts[unit] = asAmount(one, `${where}.${unit}`);
    }
  }
  return amounts;
}

/** Is it the name of a unit? */
export function isUnit(text: string): text is Unit {
  return (UNITS as readonly string[]).includes(text);
}

/** Unit by unit. Throws amount_invalid when a sum passes 2^53−1, or when one of them is no amount. */
export function add(a: Amounts, b: Amounts): Amounts {
  return each(a, b, (x, y) => x + y);
}

/**
 * Unit by unit, and at most 2^53−1: for sums in which stands what an agent says it used. Whoever says the largest amount
 * twice must not stop the ledger. Throws amount_invalid when one of them is no amount.
 */
export function addCapped(a: Amounts, b: Amounts): Amounts {
  return each(a, b, (x, y) => Math.min(x + y, Number.MAX_SAFE_INTEGER));
}

/** Unit by unit. Throws amount_invalid when more is taken than is there, or when one of them is no amount. */
export function subtract(a: Amounts, b: Amounts): Amounts {
  return each(a, b, (x, y) => x - y);
}

/** What of `a` is above `b`, unit by unit; nothing where it is not. */
export function excess(a: Amounts, b: Amounts): Amounts {
  return each(a, b, (x, y) => (x > y ? x - y : 0));
}

/** The smaller of both, unit by unit; a unit that one of them does not name is none. */
export function smaller(a: Amounts, b: Amounts): Amounts {
  return each(a, b, Math.min);
}

/** The larger of both, unit by unit. */
export function larger(a: Amounts, b: Amounts): Amounts {
  return each(a, b, Math.max);
}

/** `a`, but in the units that `limit` names at most so much. A unit that a limit does not name is not limited. */
export function within(a: Amounts, limit: Amounts): Amounts {
  return fits(a, limit) ? a : limited(a, limit);
}

/** Is `a` within the limit in all units that the limit names? */
export function fits(a: Amounts, limit: Amounts): boolean {
  return (
    (limit.micros === undefined || (a.micros ?? 0) <= limit.micros) &&
    (limit.tokens === undefined || (a.tokens ?? 0) <= limit.tokens) &&
    (limit.computeMs === undefined || (a.computeMs ?? 0) <= limit.computeMs)
  );
}

/** Only the units that the limit names: what a node with this limit counts. */
export function counted(a: Amounts, limit: Amounts): Amounts {
  const amounts: { -readonly [U in Unit]?: number } = {};
  for (const unit of UNITS) {
    if (limit[unit] !== undefined) {
      amounts[unit] = a[unit] ?? 0;
    }
  }
  return amounts;
}

/** The narrower of two limits: a unit that only one of them names is limited by that one. */
export function narrower(a: Amounts, b: Amounts | undefined): Amounts {
  if (b === undefined) {
    return a;
  }
  const amounts: { -readonly [U in Unit]?: number } = {};
  for (const unit of UNITS) {
    const [x, y] = [a[unit], b[unit]];
    if (x !== undefined || y !== undefined) {
      amounts[unit] = Math.min(x ?? Infinity, y ?? Infinity);
    }
  }
  return amounts;
}

/** Nothing in any unit? */
export function isZero(a: Amounts): boolean {
  return (a.micros ?? 0) === 0 && (a.tokens ?? 0) === 0 && (a.computeMs ?? 0) === 0;
}

/** The same in every unit? */
export function same(a: Amounts, b: Amounts): boolean {
  return (
    (a.micros ?? 0) === (b.micros ?? 0) &&
    (a.tokens ?? 0) === (b.tokens ?? 0) &&
    (a.computeMs ?? 0) === (b.computeMs ?? 0)
  );
}

/** Has `used` come to so many percent of the limit, in any unit? A limit of 0 is reached at once. */
export function reaches(used: Amounts, limit: Amounts, percent: number): boolean {
  return UNITS.some((unit) => {
    const most = limit[unit];
    return most !== undefined && (used[unit] ?? 0) >= shareOf(most, percent);
  });
}

/** So many percent of a limit, rounded down. */
export function portion(limit: Amounts, percent: number): Amounts {
  if (percent === 100) {
    return limit;
  }
  const amounts: { -readonly [U in Unit]?: number } = {};
  for (const unit of UNITS) {
    const most = limit[unit];
    if (most !== undefined) {
      amounts[unit] = Number((BigInt(most) * BigInt(percent)) / 100n);
    }
  }
  return amounts;
}

/** So many percent of an amount, rounded up. Exact up to 2^53−1. */
function shareOf(amount: number, percent: number): number {
  return amount <= Number.MAX_SAFE_INTEGER / 1_000
    ? Math.ceil((amount * percent) / 100)
    : Number((BigInt(amount) * BigInt(percent) + 99n) / 100n);
}

function limited(a: Amounts, limit: Amounts): Amounts {
  const amounts: { -readonly [U in Unit]?: number } = {};
  for (const unit of UNITS) {
    const amount = a[unit];
    if (amount !== undefined) {
      amounts[unit] = Math.min(amount, limit[unit] ?? Infinity);
    }
  }
  return amounts;
}

function each(a: Amounts, b: Amounts, how: (x: number, y: number) => number): Amounts {
  const amounts: { -readonly [U in Unit]?: number } = {};
  for (const unit of UNITS) {
    const [x, y] = [a[unit], b[unit]];
    if (x !== undefined || y !== undefined) {
      amounts[unit] = asAmount(how(asAmount(x ?? 0, unit), asAmount(y ?? 0, unit)), unit);
    }
  }
  return amounts;
}

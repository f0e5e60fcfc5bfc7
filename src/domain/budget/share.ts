/**
 * What one purse has of one node. Everything here is a number of this process: nothing is read or written.
 */
import { asAmount, isZero, UNITS, type Amounts, type Unit } from './amounts.js';
import type { NodeRecord } from './node-record.js';

/** Amounts that change in place, every unit named: the hot path makes no objects. */
export type Sums = { [U in Unit]: number };

/** None. */
export function noSums(): Sums {
  return { micros: 0, tokens: 0, computeMs: 0 };
}

/** A copy that does not change. */
export function sumsOf(a: Amounts): Sums {
  return { micros: a.micros ?? 0, tokens: a.tokens ?? 0, computeMs: a.computeMs ?? 0 };
}

/** Add in place. Throws amount_invalid when a sum is no amount any more. */
export function put(sums: Sums, a: Amounts): void {
  for (const unit of UNITS) {
    const more = a[unit];
    if (more !== undefined && more !== 0) {
      sums[unit] = asAmount(sums[unit] + more, unit);
    }
  }
}

/** Add what an agent used beyond its reservation, in place; at most 2^53−1, whatever it says. */
export function putCapped(sums: Sums, a: Amounts): void {
  for (const unit of UNITS) {
    const more = a[unit];
    if (more !== undefined && more !== 0) {
      sums[unit] = Math.min(sums[unit] + asAmount(more, unit), Number.MAX_SAFE_INTEGER);
    }
  }
}

/** Take away in place. Throws amount_invalid when there is not so much. */
export function take(sums: Sums, a: Amounts): void {
  for (const unit of UNITS) {
    const less = a[unit];
    if (less !== undefined && less !== 0) {
      sums[unit] = asAmount(sums[unit] - less, unit);
    }
  }
}

/** A share: allotted, reserved, settled. */
export interface Share {
  readonly key: string;
  limit: Amounts;
  endsMs: number;
  /** As the ledger last confirmed: what is allotted, and how much of what was settled is told. */
  drawn: Sums;
  folded: Sums;
  owedTold: Sums;
  /** On its way back to the ledger: it is not ours any more, whether or not that is confirmed. */
  readonly giving: Sums;
  readonly reserved: Sums;
  /** Totals since the purse began. */
  readonly settled: Sums;
  readonly owed: Sums;
  /** What nobody has of the node, as far as was heard; undefined: nothing was heard yet. */
  left: Amounts | undefined;
  /** Until then (monotonic ms) what `left` says is all there is: others were asked for what they do not need. */
  dryUntilMs: number;
  /** The last mark of shortage that was answered by all. */
  mark: string;
  /** An agent used more than it reserved: nothing is given out. */
  closed: boolean;
  /** Monotonic ms of the last reservation. */
  usedMs: number;
  /** Spent or given back since the last draw: how much is good to have. */
  pace: Sums;
  drawnMs: number;
}

/** A share of a node that nothing is known of. */
export function freshShare(key: string, limit: Amounts, endsMs: number, nowMs: number): Share {
  return {
    ...{ key, limit, endsMs },
    ...{ drawn: noSums(), folded: noSums(), owedTold: noSums(), giving: noSums() },
    ...{ reserved: noSums(), settled: noSums(), owed: noSums() },
    ...{
      left: undefined,
      dryUntilMs: 0,
      mark: '',
      closed: false,
      usedMs: nowMs,
      pace: noSums(),
      drawnMs: nowMs,
    },
  };
}

/** What can be reserved of one unit. Negative after a unit became limited while calls were open. */
export function freeOf({ drawn, giving, reserved, settled, folded }: Share, unit: Unit): number {
  return drawn[unit] - giving[unit] - reserved[unit] - (settled[unit] - folded[unit]);
}

/** Is so much free, in the units that the limit names? */
export function hasFree(share: Share, amounts: Amounts): boolean {
  const { limit } = share;
  return (
    (limit.micros === undefined || (amounts.micros ?? 0) <= freeOf(share, 'micros')) &&
    (limit.tokens === undefined || (amounts.tokens ?? 0) <= freeOf(share, 'tokens')) &&
    (limit.computeMs === undefined || (amounts.computeMs ?? 0) <= freeOf(share, 'computeMs'))
  );
}

/** All that is free, in the units that the limit names. */
export function allFree(share: Share): Amounts {
  const out: { -readonly [U in Unit]?: number } = {};
  for (const unit of UNITS) {
    const free = share.limit[unit] === undefined ? share.drawn[unit] : freeOf(share, unit);
    if (free > 0) {
      out[unit] = free;
    }
  }
  return out;
}

/** What is missing for so much, in the units that the limit names. */
export function missing(share: Share, amounts: Amounts): Amounts {
  const out: { -readonly [U in Unit]?: number } = {};
  for (const unit of UNITS) {
    if (share.limit[unit] !== undefined) {
      out[unit] = Math.max(0, (amounts[unit] ?? 0) - freeOf(share, unit));
    }
  }
  return out;
}

/** Is there anything that the ledger was not told? */
export function isUntold({ settled, folded, owed, owedTold }: Share): boolean {
  return UNITS.some((unit) => settled[unit] !== folded[unit] || owed[unit] !== owedTold[unit]);
}

/** The ledger holds nothing of it, and no call does. */
export function isEmpty(share: Share): boolean {
  return isZero(share.drawn) && isZero(share.reserved) && isZero(share.giving) && !isUntold(share);
}

/** What stands in the ledger now is known, with this purse's entry in it. */
export function confirm(share: Share, record: NodeRecord, purse: string): void {
  const mine = record.purses[purse];
  share.drawn = sumsOf(mine?.a ?? {});
  share.folded = sumsOf(mine?.f ?? {});
  share.owedTold = sumsOf(mine?.d ?? {});
  Object.assign(share.giving, noSums());
}

/**
 * What is worth having: a few times what was used lately, a first draw for a few calls, and a part of what is left so
 * small that nobody misses it.
 */
export function wishOf(share: Share, need: Amounts, nowMs: number): Amounts {
  const quick = nowMs - share.drawnMs < QUICK_MS;
  const out: { -readonly [U in Unit]?: number } = {};
  for (const unit of UNITS) {
    const used = quick ? share.pace[unit] * 4 : 0;
    const crumb = Math.floor(((share.left ?? share.limit)[unit] ?? 0) / CRUMB);
    out[unit] = Math.min(Number.MAX_SAFE_INTEGER, Math.max((need[unit] ?? 0) * FIRST_CALLS, used, crumb));
  }
  return out;
}

const QUICK_MS = 2_000;
const FIRST_CALLS = 16;
const CRUMB = 256;

/** Is what is free so little beside what nobody has that nobody misses it? */
export function isCrumb(share: Share): boolean {
  const { left, limit } = share;
  return UNITS.every(
    (unit) => limit[unit] === undefined || freeOf(share, unit) <= ((left ?? {})[unit] ?? 0) / MISSED,
  );
}

const MISSED = 16;

/** What is missing beyond what is left. */
export function overOf(need: Amounts, left: Amounts): Amounts {
  const over = sumsOf(need);
  for (const unit of UNITS) {
    over[unit] = Math.max(0, over[unit] - (left[unit] ?? 0));
  }
  return over;
}

/** What this gateway could give a call at most, for people. */
export function haveOf(share: Share): Amounts {
  const have = sumsOf(allFree(share));
  put(have, share.left ?? {});
  return small(have, share.limit);
}

/** Without units that are 0, or that the limit does not name. */
export function small(sums: Amounts, limit?: Amounts): Amounts {
  return Object.fromEntries(
    UNITS.filter((unit) => (limit === undefined ? (sums[unit] ?? 0) > 0 : limit[unit] !== undefined)).map(
      (unit) => [unit, sums[unit] ?? 0],
    ),
  );
}

/**
 * One node of the ledger: what stands under its key in the bucket `mesh_budget`. It is changed only by compare-and-set,
 * through the functions of this file, so that at any time
 *
 *     spent + debt + all that is allotted to purses ≤ limit
 *
 * in every unit that the limit names, unless the limit was lowered or an agent used more than it reserved.
 *
 * What a purse settled and how much of it is spent here are totals since the purse began: a change that is made again
 * changes nothing.
 */
import {
  add,
  addCapped,
  excess,
  fits,
  isZero,
  larger,
  subtract,
  UNITS,
  ZERO,
  type Amounts,
  type Unit,
} from './amounts.js';

/** What one purse has of a node. */
export interface Allotment {
  /** It may still have so much reserved, or settled and not yet told here. */
  readonly a: Amounts;
  /** Of what it settled, so much is in `spent`: a total. */
  readonly f: Amounts;
  /** Of the debt that it recorded, so much is in `debt`: a total. */
  readonly d?: Amounts;
  /** The purse is closed: what is left here belongs to calls that are not settled, and nobody answers for it. */
  readonly gone?: true;
}

/** Somebody found too little left: whoever has more than it needs gives it back, and says that it looked. */
export interface Shortage {
  readonly by: string;
  /** Epoch ms of the one who says so; it only tells marks apart. */
  readonly at: number;
  readonly told: readonly string[];
}

/** The value of a node. */
export interface NodeRecord {
  readonly v: 1;
  readonly limit: Amounts;
  /** Settled. What was used beyond a reservation is not in it. */
  readonly spent: Amounts;
  /** What was used beyond reservations. */
  readonly debt?: Amounts;
  /** An agent used more than it reserved: nothing is given out until somebody sets a limit. */
  readonly closed?: true;
  /** How often somebody has opened it again: debt that comes after is told anew. */
  readonly opened?: number;
  readonly endsMs: number;
  readonly purses: Readonly<Record<string, Allotment>>;
  readonly short?: Shortage;
}

/** What a purse tells a node, and wants of it. */
export interface Change {
  /** Totals of the purse. */
  readonly settled: Amounts;
  readonly debt: Amounts;
  /** Given back. */
  readonly give?: Amounts;
  /** At least so much is wanted, or nothing. */
  readonly need?: Amounts | undefined;
  /** So much would be good. */
  readonly wish?: Amounts;
  /** It looked at the mark of shortage. */
  readonly tell?: boolean;
  /** The limit as the policy names it now, or as it was set. */
  readonly limit?: Amounts;
  readonly nowMs: number;
}

/** A node nobody has spent from. */
export function freshNode(limit: Amounts, endsMs: number): NodeRecord {
  return { v: 1, limit, spent: ZERO, endsMs, purses: {} };
}

/** What nobody has, in the units of the limit. Nothing while the node is closed. */
export function leftOf({ limit, spent, debt = ZERO, purses, closed }: NodeRecord): Amounts {
  if (closed === true) {
    return nothing(limit);
  }
  const taken = Object.values(purses).reduce((sum, { a }) => addCapped(sum, a), addCapped(spent, debt));
  return excess(named(limit, limit), named(taken, limit));
}

/** Units of a limit, each 0. */
function nothing(limit: Amounts): Amounts {
  return named(ZERO, limit);
}

/** The amounts in the units that the limit names. */
export function named(amounts: Amounts, limit: Amounts): Amounts {
  const out: { -readonly [U in Unit]?: number } = {};
  for (const unit of UNITS) {
    if (limit[unit] !== undefined) {
      out[unit] = amounts[unit] ?? 0;
    }
  }
  return out;
}

/** Purses that may answer for what they have. */
export function answering({ purses }: NodeRecord): string[] {
  return Object.keys(purses).filter((id) => purses[id]?.gone !== true);
}

/** Is the mark of shortage answered by everybody but the one who asks? */
export function allTold(record: NodeRecord, purse: string): boolean {
  const { short } = record;
  return short !== undefined && answering(record).every((id) => id === purse || short.told.includes(id));
}

/**
 * A purse settles up: what it settled moves from its allotment to `spent`, what it gives back is free, and if there is
 * enough it draws. Without enough the node is marked short.
 */
export function settleUp(record: NodeRecord, purse: string, change: Change): NodeRecord {
  const before = record.purses[purse] ?? { a: ZERO, f: ZERO };
  const told = tellNode(record, before, change);
  const { limit = told.limit } = change;
  const folded = subtract(change.settled, before.f);
  const kept = excess(excess(before.a, folded), change.give ?? ZERO);
  const mine: Allotment = {
    a: kept,
    f: change.settled,
    ...(isZero(change.debt) ? {} : { d: change.debt }),
  };
  const free: NodeRecord = { ...told, limit, purses: { ...record.purses, [purse]: mine } };
  const marked = change.tell === true ? tellShort(free, purse) : free;
  if (change.need === undefined) {
    return marked;
  }
  const got = drawn(leftOf(marked), change, answering(marked).length);
  if (got === undefined) {
    return markShort(marked, purse, change.nowMs);
  }
  const rest: NodeRecord = {
    ...marked,
    purses: { ...marked.purses, [purse]: { ...mine, a: add(kept, got) } },
  };
  return rest.short?.by === purse ? without(rest, 'short') : rest;
}

/** What is settled and owed is counted; debt closes the node. */
function tellNode(record: NodeRecord, before: Allotment, { settled, debt }: Change): NodeRecord {
  const spent = add(record.spent, subtract(settled, before.f));
  const owed = named(subtract(debt, before.d ?? ZERO), record.limit);
  return isZero(owed)
    ? { ...record, spent }
    : { ...record, spent, debt: addCapped(record.debt ?? ZERO, owed), closed: true };
}

/**
 * How much is given: what is wished, but never more than a share of what is left, so that other purses find something
 * too and little lies idle at the end; and at least what is needed, or nothing.
 */
function drawn(left: Amounts, { need = ZERO, wish = ZERO }: Change, purses: number): Amounts | undefined {
  if (!fits(need, left)) {
    return undefined;
  }
  const out: { -readonly [U in Unit]?: number } = {};
  for (const unit of UNITS) {
    const all = left[unit];
    if (all !== undefined) {
      const least = need[unit] ?? 0;
      const share = Math.floor(all / (2 * Math.max(2, purses)));
      out[unit] = Math.max(least, Math.min(wish[unit] ?? 0, share));
    }
  }
  return out;
}

/** A mark that stands is left as it is: who answered it has answered. */
function markShort(record: NodeRecord, by: string, at: number): NodeRecord {
  const { short } = record;
  return short === undefined || Math.abs(at - short.at) > STALE_MS
    ? { ...record, short: { by, at, told: [by] } }
    : record;
}

const STALE_MS = 1_000;

function tellShort(record: NodeRecord, purse: string): NodeRecord {
  const { short } = record;
  return short === undefined || short.told.includes(purse)
    ? record
    : { ...record, short: { ...short, told: [...short.told, purse] } };
}

function without(record: NodeRecord, key: 'short' | 'closed' | 'debt'): NodeRecord {
  const { [key]: _, ...rest } = record;
  return rest;
}

/**
 * A purse is closed: what it settled in all is counted, what its open calls have reserved stays with it, the rest is
 * free. Doing it again changes nothing; later, with more settled, it goes on.
 */
export function closeOut(
  record: NodeRecord,
  purse: string,
  {
    settled,
    debt,
    reserved,
  }: { readonly settled: Amounts; readonly debt: Amounts; readonly reserved: Amounts },
): NodeRecord {
  const before = record.purses[purse];
  if (before === undefined) {
    return record;
  }
  // A total is never below what was told before: the log may not reach back as far as the purse.
  const total = larger(settled, before.f);
  const owed = larger(debt, before.d ?? ZERO);
  const told = tellNode(record, before, { settled: total, debt: owed, nowMs: 0 });
  const mine: Allotment = { a: reserved, f: total, ...(isZero(owed) ? {} : { d: owed }), gone: true };
  return { ...told, purses: { ...record.purses, [purse]: mine } };
}

/** A purse that has nothing here any more is forgotten. */
export function forgetPurse(record: NodeRecord, purse: string): NodeRecord {
  const { [purse]: mine, ...purses } = record.purses;
  return mine === undefined || !isZero(mine.a) ? record : { ...record, purses };
}

/** Somebody set the limit; this opens a node that debt has closed. */
export function setLimit(record: NodeRecord, limit: Amounts): NodeRecord {
  return { ...open(record), limit };
}

/** Somebody writes the debt off: it counts no more, and the node is open. */
export function writeOff(record: NodeRecord): NodeRecord {
  return without(open(record), 'debt');
}

function open(record: NodeRecord): NodeRecord {
  return record.closed === true ? { ...without(record, 'closed'), opened: (record.opened ?? 0) + 1 } : record;
}

/** Is more given out than the limit, because it was lowered? Then whoever has more than it needs gives it back. */
export function isOver({ limit, spent, debt = ZERO, purses }: NodeRecord): boolean {
  const taken = Object.values(purses).reduce((sum, { a }) => addCapped(sum, a), addCapped(spent, debt));
  return !fits(taken, limit);
}

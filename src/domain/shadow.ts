/**
 * A candidate policy beside the live one: what both said of the same calls, counted where they differ. Memory is bounded:
 * what differs in the same way is one row with a few examples, and rows beyond a bound are only counted.
 */
import { limits } from '../wire/limits.js';

/** What a policy says of a call. */
export interface Said {
  readonly said: 'allow' | 'deny' | 'hold';
  /** Code of the refusal. */
  readonly code?: string;
  /** Rules that mattered. */
  readonly rules: readonly string[];
  /** hold: what it waits for, such as `2 of finance`. */
  readonly needs?: string;
}

/** Calls of which both say different things, in the same way. */
export interface Difference {
  readonly capability: string;
  readonly from: string;
  readonly live: Said;
  readonly candidate: Said;
  readonly count: number;
  /** Ids of the newest of them. */
  readonly calls: readonly string[];
  /** Epoch ms of the newest. */
  readonly lastAt: number;
}

/** What was counted. */
export interface ShadowReport {
  /** Digests of the two. */
  readonly live: string;
  readonly candidate: string;
  /** Epoch ms since when both are compared. */
  readonly since: number;
  /** Calls of which both say the same, and of which they do not. */
  readonly same: number;
  readonly differ: number;
  /** Calls that were not compared, because the candidate takes too much of the gateway; or that cannot be. */
  readonly skipped: number;
  readonly unjudged: number;
  /** The most frequent first. */
  readonly rows: readonly Difference[];
  /** Calls that differ and stand in no row: there are too many rows. */
  readonly more: number;
}

/** Do both let the same happen? Who must approve is a part of it; which rules say so is not. */
export function saysSame(a: Said, b: Said): boolean {
  return a.said === b.said && a.needs === b.needs;
}

/** Counts for one pair of policies. */
export class Differences {
  readonly #live: string;
  readonly #candidate: string;
  readonly #since: number;
  readonly #rows = new Map<string, Difference>();
  #same = 0;
  #differ = 0;
  #more = 0;
  skipped = 0;
  unjudged = 0;

  constructor(live: string, candidate: string, since: number) {
    this.#live = live;
    this.#candidate = candidate;
    this.#since = since;
  }

  /** Digest of the live policy that this is about. */
  get live(): string {
    return this.#live;
  }

  /** Both said something of a call. */
  add(
    call: { capability: string; from: string; call: string },
    live: Said,
    candidate: Said,
    at: number,
  ): void {
    if (saysSame(live, candidate)) {
      this.#same++;
      return;
    }
    this.#differ++;
    const { capability, from } = call;
    const one = { capability, from, live, candidate, count: 1, calls: [call.call], lastAt: at };
    this.#more += put(this.#rows, one);
  }

  /** What was counted until now. */
  report(): ShadowReport {
    return {
      live: this.#live,
      candidate: this.#candidate,
      since: this.#since,
      same: this.#same,
      differ: this.#differ,
      skipped: this.skipped,
      unjudged: this.unjudged,
      rows: sorted(this.#rows),
      more: this.#more,
    };
  }
}

/** The reports of several gateways as one: those about the same two policies. */
export function mergeReports(reports: readonly ShadowReport[]): ShadowReport | undefined {
  const [first] = reports.toSorted((a, b) => b.since - a.since);
  if (first === undefined) {
    return undefined;
  }
  const all = reports.filter((one) => one.live === first.live && one.candidate === first.candidate);
  const sum = (of: (report: ShadowReport) => number): number =>
    all.reduce((total, one) => total + of(one), 0);
  const rows = new Map<string, Difference>();
  const lost = all.flatMap((one) => one.rows).reduce((total, row) => total + put(rows, row), 0);
  return {
    live: first.live,
    candidate: first.candidate,
    since: Math.min(...all.map((one) => one.since)),
    same: sum((one) => one.same),
    differ: sum((one) => one.differ),
    skipped: sum((one) => one.skipped),
    unjudged: sum((one) => one.unjudged),
    rows: sorted(rows),
    more: sum((one) => one.more) + lost,
  };
}

/** Add to the row that says the same. Returns how many calls found no room. */
function put(rows: Map<string, Difference>, one: Difference): number {
  const { capability, from, live, candidate } = one;
  const key = JSON.stringify([capability, from, live, candidate]);
  const known = rows.get(key);
  if (known === undefined && rows.size >= limits.shadowRows) {
    return one.count;
  }
  rows.set(key, known === undefined ? one : both(known, one));
  return 0;
}

function both(a: Difference, b: Difference): Difference {
  const [newer, older] = a.lastAt > b.lastAt ? [a, b] : [b, a];
  const calls = [...newer.calls, ...older.calls].slice(0, limits.shadowExamples);
  return { ...newer, count: a.count + b.count, calls };
}

function sorted(rows: ReadonlyMap<string, Difference>): Difference[] {
  return [...rows.values()].toSorted((a, b) => b.count - a.count);
}

/**
 * Ends of attempts in a sliding window, by who called for whom: what a breaker is judged by. Nobody makes up more than
 * their share of what counts for others.
 */
import { limits } from '../../wire/limits.js';
import { pairOf, REST, type Behind, type ScopeKind } from './behind.js';
import type { BreakerWhy } from './breaker.js';
import type { BreakerRules } from './breaker-rules.js';
import { Row } from './row.js';

/** How an attempt ended, as far as a breaker cares. */
export interface End extends Behind {
  readonly bad: boolean;
  readonly slow: boolean;
}

interface Count {
  ends: number;
  bad: number;
  slow: number;
}

interface PairCount extends Count, Behind {}

interface Slot {
  readonly at: number;
  readonly counts: Map<string, PairCount>;
}

const SLOTS = 10;

/** It is time to open, and for whom. */
export interface Opening {
  readonly kind: ScopeKind;
  readonly why: BreakerWhy;
}

/** The window of one agent and capability. */
export class Window {
  #slots: Slot[] = [];
  readonly #sums = new Map<string, PairCount>();
  readonly #row = new Row();

  /** Count one end. */
  add(nowMs: number, end: End, windowMs: number): void {
    this.#row.add(nowMs, end, end.bad, windowMs);
    const at = Math.floor((nowMs * SLOTS) / windowMs);
    this.#roll(at);
    let slot = this.#slots.at(-1);
    if (slot?.at !== at) {
      slot = { at, counts: new Map() };
      this.#slots.push(slot);
    }
    const own = pairOf(end);
    const behind = this.#sums.has(own) || this.#sums.size < limits.breakerCallers ? end : REST;
    const key = behind === REST ? pairOf(REST) : own;
    for (const counts of [slot.counts, this.#sums]) {
      let count = counts.get(key);
      if (count === undefined) {
        count = { from: behind.from, principal: behind.principal, ends: 0, bad: 0, slow: 0 };
        counts.set(key, count);
      }
      count.ends++;
      count.bad += Number(end.bad);
      count.slow += Number(end.slow);
    }
  }

  /**
   * For whom it is time to open after an end of these: the share that was bad is too much, or `minimum` failed in a row.
   * For the share, `minimum` may be less than the rule says, while traffic grows; `out`: for whom it is open already, as
   * other gateways found.
   */
  judge(
    behind: Behind,
    rules: BreakerRules,
    minimum: number,
    out: readonly Behind[] = [],
  ): Opening | undefined {
    const sums = [...this.#sums.values()];
    for (const kind of ['any', 'from', 'principal'] as const) {
      const opening =
        opens(kind, sums, behind, rules, minimum, out) ??
        opens(kind, this.#row.of(kind), behind, rules, rules.minimum, out);
      if (opening !== undefined) {
        return opening;
      }
    }
    return undefined;
  }

  /** Forget what counted for a scope. */
  clear(kind: ScopeKind, name: string): void {
    const concerns = (pair: Behind) => kind === 'any' || pair[kind] === name;
    for (const counts of [this.#sums, ...this.#slots.map((slot) => slot.counts)]) {
      counts.forEach((pair, key) => concerns(pair) && counts.delete(key));
    }
    this.#row.forget(concerns);
  }

  #roll(at: number): void {
    while (this.#slots[0] !== undefined && this.#slots[0].at <= at - SLOTS) {
      const { counts } = this.#slots.shift() as Slot;
      counts.forEach((gone, key) => {
        const count = this.#sums.get(key);
        if (count !== undefined) {
          count.ends -= gone.ends;
          count.bad -= gone.bad;
          count.slow -= gone.slow;
          if (count.ends <= 0) {
            this.#sums.delete(key);
          }
        }
      });
    }
  }
}

/** Is what these callers met too much for all, for what one of them calls, or for the trees of one? */
function opens(
  kind: ScopeKind,
  own: readonly PairCount[],
  behind: Behind,
  rules: BreakerRules,
  minimum: number,
  out: readonly Behind[],
): Opening | undefined {
  const most = Math.max(1, (minimum * rules.callerShare) / 100);
  if (kind === 'any') {
    const all = [...own, ...out.map((one) => ({ ...one, ends: most, bad: most, slow: 0 }))];
    const whole = sum(capped(all, 'principal', most));
    const tooMuch =
      isTooMuch(whole, rules, minimum) && isTooMuch(sum(capped(all, 'from', most)), rules, minimum);
    return tooMuch ? { kind, why: rounded(whole) } : undefined;
  }
  const pairs = own.filter((pair) => pair[kind] === behind[kind]);
  if (kind === 'from') {
    const made = sum(capped(pairs, 'principal', most));
    const tooMuch = behind.from !== behind.principal && isTooMuch(made, rules, minimum);
    return tooMuch ? { kind, why: rounded(made) } : undefined;
  }
  const tree = sum(pairs);
  if (!isTooMuch(tree, rules, minimum)) {
    return undefined;
  }
  const [first] = pairs;
  const via = first !== undefined && pairs.every(({ from }) => from === first.from) ? first.from : undefined;
  return { kind, why: { ...rounded(tree), ...(via === undefined ? {} : { via }) } };
}

/** Each name with `most` ends at most, in the proportion of its own. */
function capped(pairs: readonly PairCount[], by: keyof Behind, most: number): Count[] {
  const names = new Map<string, Count>();
  for (const pair of pairs) {
    names.set(pair[by], sum([names.get(pair[by]) ?? { ends: 0, bad: 0, slow: 0 }, pair]));
  }
  return [...names.values()].map(({ ends, bad, slow }) => {
    const part = Math.min(1, most / ends);
    return { ends: ends * part, bad: bad * part, slow: slow * part };
  });
}

function sum(counts: readonly Count[]): Count {
  const all = { ends: 0, bad: 0, slow: 0 };
  for (const { ends, bad, slow } of counts) {
    all.ends += ends;
    all.bad += bad;
    all.slow += slow;
  }
  return all;
}

/** Shares of whole numbers are not whole. */
const ROUNDING = 1e-9;

function isTooMuch({ ends, bad, slow }: Count, rules: BreakerRules, minimum: number): boolean {
  return (
    ends >= minimum - ROUNDING &&
    ((bad > 0 && bad * 100 >= rules.failures * ends - ROUNDING) ||
      (slow > 0 && rules.slow !== undefined && slow * 100 >= rules.slowShare * ends - ROUNDING))
  );
}

function rounded({ ends, bad, slow }: Count): BreakerWhy {
  return { ends: Math.round(ends), bad: Math.round(bad), slow: Math.round(slow) };
}

/**
 * Ends of attempts in a sliding window, by who called for whom: what a breaker is judged by. Nobody makes up more than
 * their share of what counts for others.
 */
import { limits } from '../../wire/limits.js';
import type { BreakerWhy } from './breaker.js';
import type { BreakerRules } from './breaker-rules.js';

/** Who made a call (`from`), and whose tree it belongs to (`principal`). */
export interface Behind {
  readonly from: string;
  readonly principal: string;
}

/** How an attempt ended, as far as a breaker cares. */
export interface End extends Behind {
  readonly bad: boolean;
  readonly slow: boolean;
}

/** For whom a breaker opens: for all, for what one agent calls, or for the trees of one principal. */
export type ScopeKind = 'any' | 'from' | 'principal';

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
const REST: Behind = { from: '', principal: '' };

/** It is time to open, and for whom. */
export interface Opening {
  readonly kind: ScopeKind;
  readonly why: BreakerWhy;
}

/** The window of one agent and capability. */
export class Window {
  #slots: Slot[] = [];
  readonly #sums = new Map<string, PairCount>();

  /** Count one end. */
  add(nowMs: number, end: End, windowMs: number): void {
    const at = Math.floor((nowMs * SLOTS) / windowMs);
    this.#roll(at);
    let slot = this.#slots.at(-1);
    if (slot?.at !== at) {
      slot = { at, counts: new Map() };
      this.#slots.push(slot);
    }
    const own = keyOf(end);
    const behind = this.#sums.has(own) || this.#sums.size < limits.breakerCallers ? end : REST;
    const key = behind === REST ? keyOf(REST) : own;
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
   * For whom it is time to open after an end of these. `minimum` may be less than the rule says, while traffic grows;
   * `out`: for whom it is open already, as other gateways found.
   */
  judge(
    behind: Behind,
    rules: BreakerRules,
    minimum: number,
    out: readonly Behind[] = [],
  ): Opening | undefined {
    const most = Math.max(1, (minimum * rules.callerShare) / 100);
    const own = [...this.#sums.values()];
    const all = [...own, ...out.map((one) => ({ ...one, ends: most, bad: most, slow: 0 }))];
    const whole = sum(capped(all, 'principal', most));
    if (isTooMuch(whole, rules, minimum) && isTooMuch(sum(capped(all, 'from', most)), rules, minimum)) {
      return { kind: 'any', why: rounded(whole) };
    }
    const made = own.filter(({ from }) => from === behind.from);
    const capOf = sum(capped(made, 'principal', most));
    if (behind.from !== behind.principal && isTooMuch(capOf, rules, minimum)) {
      return { kind: 'from', why: rounded(capOf) };
    }
    const tree = own.filter(({ principal }) => principal === behind.principal);
    if (!isTooMuch(sum(tree), rules, minimum)) {
      return undefined;
    }
    const [first] = tree;
    const via = first !== undefined && tree.every(({ from }) => from === first.from) ? first.from : undefined;
    return { kind: 'principal', why: { ...rounded(sum(tree)), ...(via === undefined ? {} : { via }) } };
  }

  /** Forget what counted for a scope. */
  clear(kind: ScopeKind, name: string): void {
    const concerns = (pair: Behind) => kind === 'any' || pair[kind] === name;
    for (const counts of [this.#sums, ...this.#slots.map((slot) => slot.counts)]) {
      counts.forEach((pair, key) => concerns(pair) && counts.delete(key));
    }
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

function keyOf({ from, principal }: Behind): string {
  return `${from} ${principal}`;
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

/**
 * The book of one gateway: which limits a call is under, whether it fits, and what it takes of them.
 */
import { limits } from '../../wire/limits.js';
import { birthOf, isCallId } from '../../wire/ulid.js';
import { Bucket, Gauge, type AnyAccount } from './account.js';
import { covers, type Counts, type Each, type Limit } from './limits.js';
import { WHOLE } from './loans.js';
import type { Slots } from './slots.js';

/** What is looked at of a call. */
export interface RateFacts {
  readonly principal: string;
  readonly caller: string;
  readonly capability: string;
  /** `from.call` of the root, and of the call whose task this is a part of. */
  readonly root: string;
  readonly parent: string | undefined;
  /** Calls above it and itself. */
  readonly depth: number;
}

/** Why a call does not fit. */
export interface Misfit {
  readonly limit: Limit;
  readonly counts: Counts | 'depth';
  /** Of whom there is too much. */
  readonly of: string;
  readonly max: number;
  readonly retryAfterMs: number;
  /** What it lacks; missing: nothing that anybody could lend. */
  readonly account?: AnyAccount;
}

/** What a call will take, or why it does not fit. */
export interface Look {
  readonly accounts: readonly AnyAccount[];
  readonly misfit: Misfit | undefined;
}

const SEPARATOR = '|';
const NOTHING: Look = { accounts: [], misfit: undefined };
const SWEEP_MS = 1_000;

/** The accounts of one gateway. Times are monotonic ms. */
export class RateBook {
  readonly slots: Slots;
  #limits: readonly Limit[] = [];
  readonly #byId = new Map<string, Limit>();
  readonly #covered = new Map<string, readonly Limit[]>();
  readonly #accounts = new Map<string, AnyAccount>();
  #sweptMs = -Infinity;

  constructor(slots: Slots) {
    this.slots = slots;
  }

  /** The limits of the policy in force. Accounts of those that are not any more are forgotten. */
  set limits(all: readonly Limit[]) {
    this.#limits = all;
    this.#covered.clear();
    this.#byId.clear();
    all.forEach((limit) => this.#byId.set(limit.id, limit));
    for (const key of this.#accounts.keys()) {
      if (!this.#byId.has(key.split(SEPARATOR)[0] ?? '')) {
        this.#accounts.delete(key);
      }
    }
  }

  /** Is anything limited that is shared with other gateways? */
  get shares(): boolean {
    return this.#limits.some(({ counts }) => counts.length > 0);
  }

  /** Units of all shares together. */
  readonly whole = WHOLE;

  /** Accounts that are kept. */
  get size(): number {
    return this.#accounts.size;
  }

  /** Does the call fit, whoever does it? */
  look(facts: RateFacts, nowMs: number): Look {
    const list = this.#coveredBy(facts);
    if (list.length === 0) {
      return NOTHING;
    }
    const accounts: AnyAccount[] = [];
    let misfit: Misfit | undefined;
    for (const limit of list) {
      const of = nameFor(limit.each, facts);
      if (limit.depth !== undefined && facts.depth > limit.depth) {
        misfit ??= { limit, counts: 'depth', of, max: limit.depth, retryAfterMs: 0 };
      }
      for (const [counts, max] of limit.counts) {
        const value = counts === 'fanOut' ? facts.parent : of;
        if (value === undefined || (counts === 'calls' && facts.parent === undefined)) {
          continue; // the root of a tree is the first of its calls: there is no tree without it
        }
        const lack = this.#lack(limit, counts, value, max, accounts, nowMs);
        misfit ??= lack;
      }
    }
    return { accounts, misfit };
  }

  /** The same of the agent that would do it. Undefined: it may be given one more. */
  lookAt(agent: string, capability: string, nowMs: number): Look {
    const accounts: AnyAccount[] = [];
    let misfit: Misfit | undefined;
    for (const limit of this.#limits) {
      if (limit.each === 'agent' && covers(limit, agent, capability)) {
        for (const [counts, max] of limit.counts) {
          const lack = this.#lack(limit, counts, agent, max, accounts, nowMs);
          misfit ??= lack;
        }
      }
    }
    return { accounts, misfit };
  }

  /** What is known under this key among gateways, also when nobody asked for it here. Undefined: no such limit. */
  account(key: string, nowMs: number): AnyAccount | undefined {
    const known = this.#accounts.get(key);
    const [id = '', counts = '', ...value] = key.split(SEPARATOR);
    const limit = this.#byId.get(id);
    const max = limit === undefined ? undefined : limit.counts.find(([one]) => one === counts)?.[1];
    return (
      known ??
      (limit === undefined || max === undefined
        ? undefined
        : this.#open(limit, counts as Counts, value.join(SEPARATOR), max, nowMs))
    );
  }

  /** This gateway does not hold that slot any more. */
  lose(slot: number, nowMs: number, wallMs: number): void {
    this.slots.lose(slot, nowMs, wallMs);
    for (const account of this.#accounts.values()) {
      account.settle(nowMs); // else one that nobody looks at until the slot is back would not know that it was away
    }
  }

  /** Has it lent more than it would have, if it had only so much of everything? */
  lendsMore(units: number, nowMs: number): boolean {
    for (const account of this.#accounts.values()) {
      if (account.returns && (account.loans?.lent(nowMs) ?? 0) > account.size * units) {
        return true;
      }
    }
    return false;
  }

  /** Would nothing be used twice if this gateway had only so much of everything? */
  fits(units: number, nowMs: number): boolean {
    for (const account of this.#accounts.values()) {
      const left = account.size * units + (account.loans?.sum(nowMs) ?? 0);
      const used = account instanceof Gauge && !account.forGood ? account.used * WHOLE : 0;
      if (!(account instanceof Gauge && account.forGood) && left < used) {
        return false;
      }
    }
    return true;
  }

  #lack(
    limit: Limit,
    counts: Counts,
    value: string,
    max: number,
    accounts: AnyAccount[],
    nowMs: number,
  ): Misfit | undefined {
    const key = limit.id + SEPARATOR + counts + SEPARATOR + value;
    const account = this.#accounts.get(key) ?? this.#open(limit, counts, value, max, nowMs);
    if (account === undefined) {
      return { limit, counts, of: value, max, retryAfterMs: SWEEP_MS };
    }
    accounts.push(account);
    const retryAfterMs = account.lacks(nowMs);

    return retryAfterMs === undefined ? undefined : { limit, counts, of: value, max, retryAfterMs, account };
  }

  #open(limit: Limit, counts: Counts, value: string, max: number, nowMs: number): AnyAccount | undefined {
    if (this.#accounts.size >= limits.rateAccounts && !this.#sweep(nowMs)) {
      return undefined; // more names at once than there is room for: whom nobody counts is not let in
    }
    const key = limit.id + SEPARATOR + counts + SEPARATOR + value;
    const account = this.#accountOf(limit, counts, value, key, max, nowMs);
    this.#accounts.set(key, account);
    return account;
  }

  #accountOf(
    { perMs = 0 }: Limit,
    counts: Counts,
    value: string,
    key: string,
    max: number,
    nowMs: number,
  ): AnyAccount {
    const { slots } = this;
    if (counts === 'rate') {
      return new Bucket(key, max, slots, perMs, slots.tokens(max, perMs, nowMs), nowMs);
    }
    if (counts === 'concurrency') {
      return new Gauge(key, max, slots);
    }
    const id = value.slice(value.indexOf('.') + 1);
    const bornMs = isCallId(id) ? birthOf(id) : 0;
    return new Gauge(key, max, slots.ofTree(bornMs), limits.lifeMs);
  }

  /** Forget what a new account would say as well. */
  #sweep(nowMs: number): boolean {
    if (nowMs - this.#sweptMs > SWEEP_MS) {
      this.#sweptMs = nowMs;
      for (const [key, account] of this.#accounts) {
        if (account.over(nowMs)) {
          this.#accounts.delete(key);
        }
      }
    }
    return this.#accounts.size < limits.rateAccounts;
  }

  #coveredBy({ principal, caller, capability }: RateFacts): readonly Limit[] {
    if (this.#limits.length === 0) {
      return this.#limits;
    }
    const key = `${principal} ${caller} ${capability}`;
    let list = this.#covered.get(key);
    if (list === undefined) {
      const whose = { principal, tree: principal, caller, capability: '', agent: '' };
      list = this.#limits.filter(
        (limit) => limit.each !== 'agent' && covers(limit, whose[limit.each], capability),
      );
      if (this.#covered.size >= limits.rateAccounts) {
        this.#covered.clear();
      }
      this.#covered.set(key, list);
    }
    return list;
  }
}

function nameFor(each: Each, facts: RateFacts): string {
  switch (each) {
    case 'principal':
      return facts.principal;
    case 'capability':
      return facts.capability;
    case 'tree':
      return facts.root;
    default:
      return facts.caller;
  }
}

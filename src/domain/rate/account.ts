/**
 * Accounts: what one gateway may still give of one limit to one name. A bucket counts a rate, a gauge counts what is
 * there at once, or all there ever was.
 */
import { limits } from '../../wire/limits.js';
import { Loans, WHOLE } from './loans.js';
import type { Base } from './slots.js';

/** Nobody asked for it this long: most of it may be lent. */
const IDLE_MS = 1_000;
/** An idle one keeps this part, for who comes first. */
const KEEP = 16;
/** Whoever uses what is lent asks for it again well before this ends: what is lent for less is not begun with. */
const SURE_MS = 1_000;
/** Where a gateway does not know when there is room: then it is worth a try. */
const UNKNOWN_MS = 250;

/** What one gateway says to another about one account: what it has lent in all, and what it gives back. */
export interface Answer {
  readonly lent?: number;
  readonly back?: number;
}

/** What both kinds have. Times are monotonic ms. */
abstract class Account {
  /** What it is called among gateways. */
  readonly key: string;
  /** What the whole mesh may have. */
  readonly size: number;
  readonly base: Base;
  loans: Loans | undefined;
  /** When somebody wanted it last. */
  wantedMs = -Infinity;
  /** Between these instants others have none of it to lend, as far as is known. */
  dryFromMs = Infinity;
  dryUntilMs = -Infinity;
  #repaidMs = -Infinity;

  constructor(key: string, size: number, base: Base) {
    this.key = key;
    this.size = size;
    this.base = base;
  }

  /** What this gateway may have of the size now, in parts of a call. */
  share(nowMs: number): number {
    return Math.max(0, this.size * this.base.units(nowMs) + (this.loans?.sum(nowMs) ?? 0));
  }

  /** May others have some of it that they do not need? */
  mayBorrow(nowMs: number): boolean {
    const dry = nowMs >= this.dryFromMs && nowMs < this.dryUntilMs;
    return !dry && this.share(nowMs) < this.size * WHOLE;
  }

  /** Does what is lent come back? */
  get returns(): boolean {
    return true;
  }

  /** Undefined when one more fits, else in how many ms it may. */
  abstract lacks(nowMs: number): number | undefined;
  abstract take(nowMs: number): void;
  /** How much more of the share than there is would be needed for one more. */
  abstract needs(nowMs: number): number;
  /** Units that it can do without, when another one needs so many. `first`: the other one goes before this one. */
  abstract spare(nowMs: number, need: number, first: boolean): number;
  /** Does this gateway use what it has borrowed? */
  abstract inUse(nowMs: number): boolean;
  /** May it be forgotten, and made anew? */
  abstract over(nowMs: number): boolean;

  /**
   * Lend to another gateway, which needs so much more than it has. Returns what it was lent in all from now on, or
   * undefined when there is nothing to give; what it was lent before is then over when its time is. Only its own is
   * lent, never what it has borrowed, and only while nobody else can have it before the loan is over.
   */
  lend(whom: string, me: string, need: number, nowMs: number, untilMs: number): number | undefined {
    const own = this.size * this.base.toLend(nowMs) - (this.loans?.lent(nowMs) ?? 0);
    if (own < 0 || this.base.untilMs(nowMs) < untilMs) {
      return undefined;
    }
    const before = this.loans?.lentTo(whom, nowMs) ?? 0;
    // Whom it has borrowed from gets no more than before: it has its own back when the time of that is over.
    const owes = this.returns && (this.loans?.borrowedFrom(whom, nowMs) ?? 0) > 0;
    const more = owes ? 0 : Math.min(own, this.share(nowMs), this.spare(nowMs, need, whom < me));
    if (more <= 0 && !(before > 0 && this.extends(nowMs, whom < me))) {
      return undefined;
    }
    this.settle(nowMs);
    (this.loans ??= new Loans()).lend(whom, before + Math.max(0, more), untilMs);
    this.settle(nowMs);
    return before + Math.max(0, more);
  }

  /** Another gateway needs so much more: give back what is its own, and lend what is to spare. */
  answer(whom: string, me: string, need: number, nowMs: number): Answer {
    const back = this.#repay(whom, nowMs);
    const untilMs = this.returns ? nowMs + limits.loanMs : Infinity;
    const lent = this.lend(whom, me, need, nowMs, untilMs);
    return { ...(back > 0 ? { back } : {}), ...(lent === undefined ? {} : { lent }) };
  }

  /** What another gateway has answered to what was asked at `sentMs`. True: there is more than before. */
  hear(whom: string, { lent, back }: Answer, sentMs: number, nowMs: number): boolean {
    const before = this.share(nowMs);
    this.settle(nowMs);
    if (back !== undefined) {
      this.loans?.repaid(whom, back);
    }
    // What was asked before it gave something back was answered without knowing of that.
    if (lent !== undefined && sentMs > this.#repaidMs) {
      // Counted from the question: the lender counts from its answer, which was later.
      const untilMs = this.returns ? sentMs + limits.loanMs : Infinity;
      (this.loans ??= new Loans()).borrow(whom, lent, untilMs);
    }
    this.settle(nowMs);
    return this.share(nowMs) > before;
  }

  #repay(whom: string, nowMs: number): number {
    const borrowed = this.loans?.borrowedFrom(whom, nowMs) ?? 0;
    const units = this.returns ? Math.min(borrowed, this.spare(nowMs, borrowed, false)) : 0;
    if (units > 0) {
      this.settle(nowMs);
      this.loans?.repay(whom, units);
      this.#repaidMs = nowMs;
      this.settle(nowMs);
    }
    return units;
  }

  /** Does nobody here want it? */
  protected isIdle(nowMs: number): boolean {
    return nowMs - this.wantedMs > IDLE_MS;
  }

  /** Does a loan that is used go on? */
  protected abstract extends(nowMs: number, first: boolean): boolean;

  /** Bring it up to date: the share is about to change, or has. */
  settle(_nowMs: number): void {
    // A gauge counts what is there; nothing of it runs with time.
  }
}

/** A rate: tokens that come with time, up to the burst. In any time there pass at most burst + rate × time. */
export class Bucket extends Account {
  readonly #perMs: number;
  #tokens: number;
  #atMs: number;
  #share: number;

  /** `tokens`: what it begins with. */
  constructor(key: string, size: number, base: Base, perMs: number, tokens: number, nowMs: number) {
    super(key, size, base);
    this.#perMs = perMs;
    this.#tokens = tokens;
    this.#atMs = nowMs;
    this.#share = this.share(nowMs);
  }

  lacks(nowMs: number): number | undefined {
    this.settle(nowMs);
    if (this.#tokens >= 1) {
      return undefined;
    }
    const perMs = (this.#perMs * this.#share) / (this.size * WHOLE);
    return this.#share < WHOLE ? UNKNOWN_MS : Math.max(1, Math.ceil((1 - this.#tokens) / perMs));
  }

  take(nowMs: number): void {
    this.settle(nowMs);
    this.#tokens--;
    this.wantedMs = nowMs;
  }

  needs(): number {
    return Math.max(1, WHOLE - this.#share);
  }

  spare(nowMs: number, _need: number, first: boolean): number {
    const share = this.share(nowMs);
    const keep = Math.floor(share / KEEP);
    return !this.extends(nowMs, first) ? 0 : keep < WHOLE ? share : share - keep;
  }

  /** Where no part is enough for one call, one gateway has all of it: that of two which comes first. */
  protected extends(nowMs: number, first: boolean): boolean {
    return this.isIdle(nowMs) || (first && this.base.units(nowMs) * this.size < WHOLE);
  }

  inUse(nowMs: number): boolean {
    return !this.isIdle(nowMs);
  }

  /** Full again, and nothing of it is with others: a new one would be the same. */
  over(nowMs: number): boolean {
    return (
      this.isIdle(nowMs) && nowMs - this.#atMs > this.size / this.#perMs && this.loans?.idle(nowMs) !== false
    );
  }

  override settle(nowMs: number): void {
    const share = this.share(nowMs);
    // What the share was meanwhile is not known exactly; it was not less than the smaller one of then and now.
    const part = Math.min(share, this.#share) / (this.size * WHOLE);
    const filled = this.#tokens + Math.max(0, nowMs - this.#atMs) * this.#perMs * part;
    this.#tokens = Math.min(filled, share / WHOLE);
    this.#atMs = Math.max(this.#atMs, nowMs);
    this.#share = share;
  }
}

/** A count: of what is there at once, or, `forGood`, of all there ever was. */
export class Gauge extends Account {
  readonly forGood: boolean;
  readonly #keepMs: number;
  used = 0;

  /** `keepMs`: how long a count for good is remembered after it was wanted last. */
  constructor(key: string, size: number, base: Base, keepMs?: number) {
    super(key, size, base);
    this.forGood = keepMs !== undefined;
    this.#keepMs = keepMs ?? 0;
  }

  override get returns(): boolean {
    return !this.forGood;
  }

  lacks(nowMs: number): number | undefined {
    return this.#short(nowMs) <= 0 ? undefined : UNKNOWN_MS;
  }

  take(nowMs: number): void {
    this.used++;
    this.wantedMs = nowMs;
  }

  /** One of them has ended. */
  giveBack(): void {
    this.used--;
  }

  needs(nowMs: number): number {
    return Math.max(1, this.#short(nowMs));
  }

  #short(nowMs: number): number {
    const lent = this.loans?.sum(nowMs, nowMs + SURE_MS) ?? 0;
    return (this.used + 1) * WHOLE - Math.max(0, this.size * this.base.units(nowMs) + lent);
  }

  spare(nowMs: number, need: number): number {
    const free = this.share(nowMs) - this.used * WHOLE;
    const half = Math.floor(free / 2);
    return Math.max(0, this.isIdle(nowMs) ? free : Math.min(free, Math.max(half, need)));
  }

  inUse(nowMs: number): boolean {
    return this.used * WHOLE > this.size * this.base.units(nowMs) - (this.loans?.lent(nowMs) ?? 0);
  }

  over(nowMs: number): boolean {
    return this.forGood
      ? nowMs - this.wantedMs > this.#keepMs
      : this.used === 0 && this.isIdle(nowMs) && this.loans?.idle(nowMs) !== false;
  }

  /** What is there at once may be there for long: it is not taken away while somebody uses it. */
  protected extends(): boolean {
    return true;
  }
}

/** Either of them. */
export type AnyAccount = Bucket | Gauge;

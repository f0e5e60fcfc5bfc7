/**
 * Rates of one gateway: what is counted when a call is allowed, and given back when its outcome is final.
 */
import { RateBook, type RateFacts } from '../../domain/rate/book.js';
import { Bucket, Gauge, type AnyAccount } from '../../domain/rate/account.js';
import { Slots } from '../../domain/rate/slots.js';
import type { Traffic } from '../../domain/rate/traffic.js';
import type { Instance } from '../../domain/roster.js';
import type { Draft } from '../../chain/draft.js';
import type { DecisionRecord } from '../../wire/generated/messages.js';
import type { Voice } from './voice.js';
import { giveBack, type OpenCall, type OpenSet } from '../open.js';
import { SlotKeeper } from './keeper.js';
import { Lending } from './lending.js';

/** Beside it only what a gateway tells it when it is put together. */
interface Around {
  readonly core: Voice;
  readonly open: OpenSet;
  /** Other gateways that are there. */
  readonly gateways: () => readonly string[];
  /** Calls that wait may be tried again. */
  readonly poke: () => void;
}

/** Counts. Until `start` nothing has a share, and what is limited is refused. */
export class Rates {
  readonly #book = new RateBook(new Slots());
  /** Calls that were held for a rate when they were looked at last. */
  readonly #paced = new WeakSet<object>();
  readonly #traffic: () => Traffic;
  #known: Traffic | undefined;
  #around: Around | undefined;
  #lending: Lending | undefined;
  #keeper: SlotKeeper | undefined;

  /** `traffic`: what the policy in force says. */
  constructor(traffic: () => Traffic) {
    this.#traffic = traffic;
  }

  /** The book under the policy in force. */
  get book(): RateBook {
    const traffic = this.#traffic();
    if (traffic !== this.#known) {
      this.#known = traffic;
      this.#book.limits = traffic.limits;
      this.#recount();
      void this.#share();
    }
    return this.#book;
  }

  /** Monotonic ms. */
  nowMs(): number {
    return performance.now();
  }

  /** Begin. Resolves when this gateway has its part of the limits, if there are any. */
  async start(around: Around): Promise<void> {
    this.#around = around;
    const { core, gateways, poke } = around;
    this.#lending = new Lending(core, this.#book, gateways, poke);
    this.#lending.start();
    this.#known = undefined;
    void this.book;
    await this.#share();
  }

  /** Give everything up. */
  async stop(): Promise<void> {
    this.#lending?.stop();
    await this.#keeper?.stop();
  }

  /** The call was held for a rate: ask other gateways for what it lacks. */
  pace(incoming: object, draft: Pick<Draft, 'lacks' | 'accounts'>): void {
    this.#paced.add(incoming);
    this.refused(draft);
    this.borrow(draft);
  }

  /** It was refused for a rate: there is demand, and nothing of it is lent. */
  refused({ accounts }: Pick<Draft, 'accounts'>): void {
    const nowMs = this.nowMs();
    accounts?.forEach((account) => (account.wantedMs = nowMs));
  }

  /** Ask other gateways for what was short. */
  borrow({ lacks }: Pick<Draft, 'lacks'>): void {
    lacks?.forEach((account) => this.#lending?.wanted(account));
  }

  /** It was looked at again, and is not held for a rate any more. */
  unpace(incoming: object): void {
    this.#paced.delete(incoming);
  }

  /** Is it held for a rate? */
  isPaced(incoming: object): boolean {
    return this.#paced.has(incoming);
  }

  /** The call is allowed: it counts from now on. Returns what it gives back in the end. */
  take({ accounts }: Pick<Draft, 'accounts'>): readonly Gauge[] | undefined {
    return accounts === undefined || accounts.length === 0 ? undefined : takeAll(accounts, this.nowMs());
  }

  /** A call that was decided before is in this gateway's hands: it counts, whether it fits or not. */
  count({
    chain,
    from,
    capability,
    root,
    parent,
    agent,
    review,
  }: DecisionRecord): readonly Gauge[] | undefined {
    const { book } = this;
    if (!book.shares || review !== undefined) {
      return undefined;
    }
    const nowMs = this.nowMs();
    const [principal = from] = chain;
    const name = principal.split('/')[0] ?? from;
    const facts: RateFacts = { principal: name, caller: from, capability, root, parent, depth: 0 };
    const all = [...book.look(facts, nowMs).accounts, ...book.lookAt(agent, capability, nowMs).accounts];
    return takeAll(
      all.filter((one) => one instanceof Gauge && !one.forGood),
      nowMs,
    );
  }

  /**
   * May the agent of an instance be given a further attempt of this call? What other gateways may lend for it is asked for.
   * Undefined when no agent is limited.
   */
  roomFor({ record, counted }: OpenCall): ((one: Instance) => boolean) | undefined {
    if (record.review !== undefined || !this.#traffic().limitsAgents) {
      return undefined;
    }
    const { book } = this;
    const nowMs = this.nowMs();
    return ({ agent }) => {
      const { accounts, misfit } = book.lookAt(agent, record.capability, nowMs);
      // It is in flight with one of them already: that does not make it one more.
      const short = accounts.filter(
        (one) => counted?.some((own) => own === one) !== true && one.lacks(nowMs) !== undefined,
      );
      this.refused({ accounts: short });
      this.borrow({ lacks: short.filter((one) => one.mayBorrow(nowMs)) });
      return short.length === 0 && (misfit === undefined || misfit.account !== undefined);
    };
  }

  /** A further attempt is being decided: it is one more for its agent, and what is in flight goes there. */
  again(call: OpenCall, record: DecisionRecord): void {
    if (record.review === undefined && this.#traffic().limitsAgents) {
      const nowMs = this.nowMs();
      const { accounts } = this.book.lookAt(record.agent, record.capability, nowMs);
      accounts.forEach((one) => one instanceof Bucket && one.take(nowMs));
    }
    if (record.agent !== call.record.agent) {
      this.isWith(call, record);
    }
  }

  /** A second agent is given it beside the first: it is one more for that agent, and in flight with both. */
  beside(call: OpenCall, record: DecisionRecord): void {
    if (record.review !== undefined || !this.#traffic().limitsAgents) {
      return;
    }
    const nowMs = this.nowMs();
    const { counted = [] } = call;
    const { accounts } = this.book.lookAt(record.agent, record.capability, nowMs);
    const more = accounts.filter(
      (one) => one instanceof Bucket || (!one.forGood && !counted.some((own) => own === one)),
    );
    call.counted = [...counted, ...(takeAll(more, nowMs) ?? [])];
  }

  /** What is in flight is with the agent of this decision. */
  isWith(call: OpenCall, record: DecisionRecord): void {
    giveBack(call);
    call.counted = this.count(record);
  }

  /** The policy is another one: what is in flight counts by its limits. */
  #recount(): void {
    for (const call of this.#around?.open.values() ?? []) {
      if (call.record.verdict === 'allow') {
        this.isWith(call, call.record);
      }
    }
  }

  /** Have a part of the limits as soon as there are some. */
  async #share(): Promise<void> {
    if (this.#around !== undefined && this.#keeper === undefined && this.#book.shares) {
      const { core, gateways } = this.#around;
      this.#keeper = new SlotKeeper(core, this.#book, gateways);
      await this.#keeper.start();
    }
  }
}

function takeAll(accounts: readonly AnyAccount[], nowMs: number): readonly Gauge[] | undefined {
  let gauges: Gauge[] | undefined;
  for (const account of accounts) {
    account.take(nowMs);
    if (account instanceof Gauge && !account.forGood) {
      (gauges ??= []).push(account);
    }
  }
  return gauges;
}

/**
 * What a gateway has to spend, and all that is done with it. While the policy names no budgets, nothing of this runs.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { BudgetStore } from '../../fabric/budgets.js';
import type { SteadyWatch } from '../../fabric/steady-watch.js';
import { addCapped, excess, larger, ZERO, type Amounts } from '../../domain/budget/amounts.js';
import type { NodeRecord } from '../../domain/budget/node-record.js';
import type { BudgetNode, SetLimits } from '../../domain/budget/plan.js';
import { orderKey, Orders } from '../../domain/budget/orders.js';
import type { Purse } from '../../domain/budget/purse.js';
import type { Lack, Reservation } from '../../domain/budget/reservation.js';
import type { Portion } from '../../domain/budget/portions.js';
import type { Away, Till } from '../../chain/till.js';
import { limits } from '../../wire/limits.js';
import { Drawer } from './drawer.js';
import { Keeper, type Published, type Spender } from './keeper.js';

const TICK_MS = 100;
const NODE = 'node.';
const SOON: Away = { key: 'purse', why: 'soon' };

/** The purses of a gateway: one at a time. */
export class Purses implements Till {
  readonly #of: Spender;
  readonly #keeper: Keeper;
  readonly #drawer: Drawer;
  readonly #store: BudgetStore;
  #decisions: Published = { floor: 0, published: { all: 0, answered: 0 } };
  #onChange = (): void => undefined;
  /** What was set at run time, and who was put out. */
  readonly orders = new Orders();
  /** Limits that were set at run time. */
  readonly set: SetLimits = this.orders;
  #orderWatch: SteadyWatch | undefined;
  #watch: SteadyWatch | undefined;
  #timer: NodeJS.Timeout | undefined;
  #starting = false;
  #nextMs = 0;
  /** Since when calls wait although the purse cannot be spent from (monotonic ms); 0: they do not. */
  #unsureMs = 0;
  #askedMs = 0;

  constructor(of: Spender) {
    this.#of = of;
    this.#store = new BudgetStore(of.nc, of.pub);
    const onChange = () => this.#onChange();
    this.#keeper = new Keeper({
      of,
      store: this.#store,
      decisions: () => this.#decisions,
      onReplaced: onChange,
    });
    this.#drawer = new Drawer({
      store: this.#store,
      purse: () => this.#keeper.purse,
      opened: () => this.#opened(),
      onChange,
      onBroken: (purse, why) => (purse === this.purse ? this.#keeper.retire(why) : undefined),
    });
  }

  /** The purse now. */
  get purse(): Purse {
    return this.#keeper.purse;
  }

  /** See `Till`. */
  lack(nodes: readonly BudgetNode[], amounts: Amounts): Lack | Away | undefined {
    const nowMs = performance.now();
    if (!this.#keeper.sure(nowMs)) {
      return this.#notYet(nowMs);
    }
    this.#unsureMs = 0;
    const lack = this.purse.lack(nodes, amounts, nowMs);
    if (lack?.why !== 'draw') {
      return lack;
    }
    const full = this.purse.size >= limits.purseNodes && this.purse.share(lack.key) === undefined;
    const awayMs = this.#drawer.awayMs(lack.key, nowMs);
    return full || awayMs > limits.ledgerAwayMs ? { key: lack.key, why: 'away' } : lack;
  }

  /** See `Till`. */
  used(key: string): Amounts {
    const record = this.#drawer.known(key);
    const share = this.purse.share(key);
    const told = record === undefined ? ZERO : addCapped(record.spent, record.debt ?? ZERO);
    const untold =
      share === undefined
        ? ZERO
        : excess(addCapped(share.settled, share.owed), addCapped(share.folded, share.owedTold));
    const own = share === undefined ? ZERO : addCapped(share.reserved, untold);
    return larger(this.orders.spentOf(key), addCapped(told, own));
  }

  #notYet(nowMs: number): Away {
    const again = nowMs - this.#askedMs < limits.leaseMs;
    this.#askedMs = nowMs;
    this.#unsureMs = again && this.#unsureMs > 0 ? this.#unsureMs : nowMs;
    const waitedMs = nowMs - this.#unsureMs;
    return waitedMs > limits.ledgerAwayMs ? { key: 'purse', why: 'away' } : SOON;
  }

  /** A call is held because of these nodes: ask the ledger for what they lack. */
  want(nodes: readonly BudgetNode[], amounts: Amounts): void {
    const nowMs = performance.now();
    if (!this.#keeper.sure(nowMs)) {
      if (!this.#keeper.isOpen) {
        void this.#opened().then(this.#onChange, () => undefined);
      }
      return; // it is open, and not confirmed: the waiting room asks again by itself
    }
    for (const node of nodes) {
      if (this.purse.lack([node], amounts, nowMs)?.why === 'draw') {
        this.#drawer.want(node, amounts);
      }
    }
  }

  /** Reserve in all nodes, or in none. */
  reserve(nodes: readonly BudgetNode[], amounts: Amounts): Reservation | undefined {
    const nowMs = performance.now();
    return this.#keeper.sure(nowMs) ? this.purse.reserve(nodes, amounts, nowMs) : undefined;
  }

  /** The decision is durable. */
  stored(r: Reservation, seq: number): void {
    if (r.purse === this.purse.id) {
      this.purse.stored(r, seq);
    }
  }

  /** No decision of it is durable: surely not, or perhaps (then the log must say). */
  lost(r: Reservation, sure: boolean): void {
    if (sure) {
      this.purse.release(r);
    } else if (r.purse === this.purse.id) {
      this.#keeper.retire('it is not known whether a decision is durable');
    }
  }

  /** Somebody else goes on with the call: when it is settled is not heard here. */
  adrift(r: Reservation): void {
    if (r.open && r.purse === this.purse.id) {
      this.#keeper.retire('another gateway has taken over a call');
    }
  }

  /** The outcome is durable. */
  settle(r: Reservation, portion: Portion): void {
    for (const share of this.purse.settle(r, portion)) {
      this.#drawer.giveBack(share); // the ledger closes the node: nobody waits for that
    }
  }

  /** May a task be sent for what was reserved here? */
  holds(r: Reservation): boolean {
    return r.purse === this.purse.id && this.#keeper.sure(performance.now());
  }

  /**
   * Watch the clock. `decisions`: those that are published; `onChange`: calls that wait for money are worth trying
   * again.
   */
  start(decisions: Published, onChange: () => void): void {
    this.#decisions = decisions;
    this.#onChange = onChange;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Give everything back. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#keeper.used) {
      [...this.purse.shares()].forEach((share) => this.#drawer.giveBack(share));
      const until = performance.now() + limits.shortMs;
      while (this.#drawer.working > 0 && performance.now() < until) {
        await sleep(5);
      }
      await this.#keeper.close().catch(() => undefined); // control does it when the gateway lapses
    }
    this.#watch?.stop();
    this.#orderWatch?.stop();
  }

  #tick(): void {
    const nowMs = performance.now();
    if (!this.#keeper.used) {
      return;
    }
    this.#drawer.sweep(nowMs);
    if (nowMs < this.#nextMs) {
      return;
    }
    this.#nextMs = nowMs + limits.checkpointMs;
    this.purse
      .idle(nowMs, limits.purseIdleMs, limits.purseRestMs)
      .forEach((share) => this.#drawer.giveBack(share));
    this.purse.prune(Date.now() - limits.treeKeepMs);
    void this.#keeper.tick(nowMs).catch((err: unknown) => {
      this.#of.log.warn({ err: String(err) }, 'the purse was not written down, trying again');
    });
  }

  /** The first call that needs money opens the purse and watches the ledger. */
  async #opened(): Promise<void> {
    if (this.#watch === undefined && !this.#starting) {
      this.#starting = true;
      try {
        this.#orderWatch ??= await this.#store.watch<unknown>(orderKey.all, (key, value) => {
          this.orders.told(key, value);
          this.#onChange();
        });
        this.#watch = await this.#store.watch<NodeRecord>(`${NODE}>`, (key, value, revision) =>
          this.#drawer.told(key.slice(NODE.length), value, revision),
        );
      } finally {
        this.#starting = false;
      }
    }
    await this.#keeper.opened();
  }
}

/**
 * Thresholds: the control process that leads looks which of them nodes have reached. Each is said once a window, in
 * the log, as a metric and as an event; an agent that has reached quarantine is put out.
 */
import { isZero, type Amounts } from '../../domain/budget/amounts.js';
import {
  eventKeepMs,
  orderKey,
  standingOf,
  thresholdsOf,
  type BudgetEvent,
  type PutOut,
  type SpentWord,
} from '../../domain/budget/orders.js';
import type { Thresholds } from '../../domain/budget/plan.js';
import { levelsOf, type Level } from '../../domain/budget/thresholds.js';
import type { Control } from '../core.js';
import type { Books } from './books.js';

const TICK_MS = 200;

/** Looks at thresholds while its process leads. */
export class ThresholdWatch {
  readonly #control: Control;
  readonly #books: Books;
  readonly #said = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #busy = false;
  #led = false;

  constructor(control: Control) {
    this.#control = control;
    this.#books = control.books;
  }

  /** Begin. */
  start(): void {
    this.#timer = setInterval(() => void this.#tick(), TICK_MS);
  }

  /** Stop. */
  stop(): void {
    clearInterval(this.#timer);
  }

  /** How often what was said by this process, as `on what`. */
  said(): ReadonlyMap<string, number> {
    return this.#said;
  }

  async #tick(): Promise<void> {
    if (this.#busy) {
      return;
    }
    this.#busy = true;
    try {
      await this.#look();
    } catch (err) {
      this.#control.log.warn(
        { err: String(err) },
        'thresholds of budgets could not be looked at, trying again',
      );
      this.#led = false;
    } finally {
      this.#busy = false;
    }
  }

  async #look(): Promise<void> {
    const { changed } = this.#books;
    this.#books.prune(Date.now());
    if (!this.#control.leads()) {
      this.#led = false;
      changed.clear();
      return;
    }
    const keys = this.#led ? [...changed] : this.#books.keys();
    changed.clear();
    this.#led = true;
    for (const key of keys) {
      await this.#lookAt(key);
    }
  }

  async #lookAt(key: string): Promise<void> {
    const record = this.#books.node(key);
    const nowMs = Date.now();
    if (record === undefined || nowMs >= record.endsMs) {
      return;
    }
    const { debt, closed, opened = 0 } = record;
    const spent = this.#books.spent(key);
    const facts = { spent, limit: record.limit, endsMs: record.endsMs };
    const told = closingOf(this.#books.event(key, 'debt'));
    if (debt !== undefined && !isZero(debt) && (told < 0 || (closed === true && told < opened))) {
      await this.#say(key, 'debt', { ...facts, debt, opened });
    }
    const budget = this.#control.policy.budgets?.budgetOf(thresholdsOf(key));
    if (budget !== undefined) {
      const limit = key.startsWith('tree.')
        ? record.limit
        : (this.#books.orders.get(standingOf(key)) ?? budget.limit);
      for (const what of levelsOf(spent, limit, budget.thresholds)) {
        await this.#say(key, what, { ...facts, limit }, budget.thresholds);
      }
    }
  }

  /** Once a window, debt once each time that it closes the node: whoever makes the event says it. */
  async #say(
    key: string,
    what: BudgetEvent['what'],
    {
      endsMs,
      ...facts
    }: Pick<BudgetEvent, 'spent' | 'limit' | 'debt' | 'opened'> & { readonly endsMs: number },
    thresholds?: Thresholds,
  ): Promise<void> {
    if (what !== 'debt' && this.#books.event(key, what) !== undefined) {
      return;
    }
    const { store } = this.#books;
    const at = Date.now();
    const keepMs = eventKeepMs(endsMs, at);
    if (what === 'quarantine') {
      await this.#putOut(key, at, endsMs);
    }
    if (what === 'hold') {
      await this.#tellSpent(key, facts.spent, keepMs);
    }
    const percent = thresholds?.[what as Level];
    const event: BudgetEvent = {
      ...{ v: 1, node: key, what, at, ...facts },
      ...(percent === undefined ? {} : { percent }),
    };
    const before = what === 'debt' ? await store.get<BudgetEvent>(`event.${key}.debt`) : undefined;
    if (closingOf(before?.value) >= (facts.opened ?? 0)) {
      return;
    }
    const made = await store.put(`event.${key}.${what}`, event, before?.revision ?? 0, keepMs);
    if (made.kind === 'unsure') {
      throw new Error('it is not known whether an event was stored');
    }
    if (made.kind === 'stored') {
      this.#log(event);
    }
  }

  /** Each gateway knows what it has spent itself; from here on all of them hold. */
  async #tellSpent(key: string, spent: Amounts, keepMs: number): Promise<void> {
    const { store } = this.#books;
    const there = await store.get<SpentWord>(orderKey.spent(key));
    const word: SpentWord = { v: 1, spent, at: Date.now() };
    if ((await store.put(orderKey.spent(key), word, there.revision, keepMs)).kind !== 'stored') {
      throw new Error('gateways could not be told what was spent');
    }
  }

  async #putOut(key: string, at: number, until: number): Promise<void> {
    const [, agent = ''] = key.split('.');
    const { store } = this.#books;
    const there = await store.get<PutOut>(orderKey.out(agent));
    if ((there.value?.until ?? 0) >= until) {
      return;
    }
    const out: PutOut = { v: 1, agent, node: key, at, until };
    const put = await store.put(orderKey.out(agent), out, there.revision, Math.max(1_000, until - at));
    if (put.kind !== 'stored') {
      throw new Error('an agent could not be put out');
    }
  }

  #log({ node, what, spent, limit, debt, percent }: BudgetEvent): void {
    const [on = ''] = node.split('.');
    const metric = `${on} ${what}`;
    this.#said.set(metric, (this.#said.get(metric) ?? 0) + 1);
    const facts: { [key: string]: string | number | Amounts | undefined } = {
      node,
      spent,
      limit,
      debt,
      percent,
    };
    if (what === 'debt') {
      this.#control.log.error(facts, 'an agent used more than it had reserved: the budget is closed');
    } else {
      this.#control.log.warn({ ...facts, what }, 'a budget has reached a threshold');
    }
  }
}

/** Which closing of its node an event of debt has told, counted from 0; -1: none. */
function closingOf(event: BudgetEvent | undefined): number {
  return event === undefined ? -1 : (event.opened ?? 0);
}

/**
 * The ledger as control sees it: what was spent of each node as the ledger and the gateways' own notes say it together,
 * what was set, what has happened. Every control process follows the bucket.
 */
import type { BudgetStore } from '../../fabric/budgets.js';
import type { SteadyWatch } from '../../fabric/steady-watch.js';
import { add, excess, ZERO, type Amounts } from '../../domain/budget/amounts.js';
import { named, type NodeRecord } from '../../domain/budget/node-record.js';
import { Orders, type BudgetEvent } from '../../domain/budget/orders.js';
import type { Checkpoint } from '../../domain/budget/reservation.js';
import { limits } from '../../wire/limits.js';

/** Follows the bucket of the ledger. */
export class Books {
  readonly store: BudgetStore;
  readonly orders = new Orders();
  readonly #nodes = new Map<string, NodeRecord>();
  readonly #purses = new Map<string, Checkpoint>();
  readonly #events = new Map<string, BudgetEvent>();
  /** Nodes of which something changed, for whoever looks at thresholds. */
  readonly changed = new Set<string>();
  #watch: SteadyWatch | undefined;

  constructor(store: BudgetStore) {
    this.store = store;
  }

  /** Begin. Resolves once all that stands there was told. */
  async start(): Promise<void> {
    this.#watch = await this.store.watch<unknown>('>', (key, value) => this.#told(key, value));
  }

  /** Stop following. */
  stop(): void {
    this.#watch?.stop();
  }

  /** Keys of the nodes that are known. */
  keys(): string[] {
    return [...this.#nodes.keys()];
  }

  /** A node as the ledger has it. */
  node(key: string): NodeRecord | undefined {
    return this.#nodes.get(key);
  }

  /** What has happened, the oldest first. */
  events(): BudgetEvent[] {
    return [...this.#events.values()].toSorted((a, b) => a.at - b.at);
  }

  /** What was told of this already; undefined: nothing. */
  event(key: string, what: BudgetEvent['what']): BudgetEvent | undefined {
    return this.#events.get(`${key}.${what}`);
  }

  /** Settled in all: what the ledger was told, and what gateways have noted since. Half a second old at most. */
  spent(key: string): Amounts {
    const record = this.#nodes.get(key);
    return record === undefined ? ZERO : named(add(record.spent, this.#untold(key, record)), record.limit);
  }

  /** In the hands of gateways: reserved by open calls, or about to be. */
  held(key: string): Amounts {
    const record = this.#nodes.get(key);
    if (record === undefined) {
      return ZERO;
    }
    const allotted = Object.values(record.purses).reduce((sum, { a }) => add(sum, a), ZERO);
    return named(excess(allotted, this.#untold(key, record)), record.limit);
  }

  #untold(key: string, { purses }: NodeRecord): Amounts {
    return Object.entries(purses).reduce((sum, [id, { f, gone }]) => {
      const settled = gone === true ? undefined : this.#purses.get(id)?.nodes[key]?.s;
      return settled === undefined ? sum : add(sum, excess(settled, f));
    }, ZERO);
  }

  #told(key: string, value: unknown): void {
    const dot = key.indexOf('.');
    const [kind, name] = [key.slice(0, dot), key.slice(dot + 1)];
    switch (kind) {
      case 'node':
        put(this.#nodes, name, value as NodeRecord | undefined);
        this.changed.add(name);
        return;
      case 'purse':
        put(this.#purses, name, value as Checkpoint | undefined);
        Object.keys((value as Checkpoint | undefined)?.nodes ?? {}).forEach((node) => this.changed.add(node));
        return;
      case 'event':
        put(this.#events, name, value as BudgetEvent | undefined);
        return;
      default:
        this.orders.told(key, value);
    }
  }

  /** Forget what ended so long ago that its key is gone too. */
  prune(nowMs: number): void {
    for (const [key, { endsMs }] of this.#nodes) {
      if (nowMs > endsMs + limits.nodeKeepMs) {
        this.#nodes.delete(key);
      }
    }
  }
}

function put<V>(map: Map<string, V>, key: string, value: V | undefined): void {
  if (value === undefined) {
    map.delete(key);
  } else {
    map.set(key, value);
  }
}

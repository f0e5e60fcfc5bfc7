/**
 * What people and control say about budgets at run time, beside the policy. It stands in the bucket of the ledger:
 * `order.limit.{standing}`, `order.out.{agent}` and `order.spent.{node}`, which gateways follow, and
 * `event.{node}.{what}`.
 */
import { ZERO, type Amounts } from './amounts.js';
import type { SetLimits } from './plan.js';
import type { Level } from './thresholds.js';

/** A limit that somebody set. It counts in place of that of the policy until it is cleared. */
export interface SetLimit {
  readonly v: 1;
  readonly limit: Amounts;
  readonly by: string;
  /** Epoch ms. */
  readonly at: number;
  readonly why?: string;
}

/**
 * What happened to a node. Thresholds are told once in its window, debt each time that it closes the node; `set` is the
 * last limit that an operator set or cleared, `lift` the last time that one wrote debt off or took an agent back.
 */
export interface BudgetEvent {
  readonly v: 1;
  readonly node: string;
  readonly what: Level | 'debt' | 'set' | 'lift';
  /** Epoch ms. */
  readonly at: number;
  readonly spent: Amounts;
  readonly limit: Amounts;
  readonly debt?: Amounts;
  readonly percent?: number;
  /** Of debt: how often the node was opened before. */
  readonly opened?: number;
  /** Who did it, and why. */
  readonly by?: string;
  readonly why?: string;
}

/** An agent that nothing is sent to. */
export interface PutOut {
  readonly v: 1;
  readonly agent: string;
  /** The node that it has spent too much of. */
  readonly node: string;
  readonly at: number;
  /** Epoch ms at which its window ends. */
  readonly until: number;
}

/** So much of a node was spent at least, by all gateways together: it has come to the threshold that holds calls. */
export interface SpentWord {
  readonly v: 1;
  readonly spent: Amounts;
  readonly at: number;
}

/** A node without its window: what a limit is set for. The envelope of a tree has none. */
export function standingOf(key: string): string {
  return key.startsWith('tree.') ? key : key.slice(0, Math.max(0, key.lastIndexOf('.')));
}

/** Whose thresholds count for a node. Those of trees are the budget of the root's principal. */
export function thresholdsOf(key: string): string {
  return key.startsWith('tree.') ? `root.${key.split('.')[1] ?? ''}.call` : standingOf(key);
}

/** Where they stand in the bucket. */
export const orderKey = {
  all: 'order.>',
  limit: (standing: string): string => `order.limit.${standing}`,
  out: (agent: string): string => `order.out.${agent}`,
  spent: (node: string): string => `order.spent.${node}`,
} as const;

/** An event of a window that is about to end is there to be read yet. */
const LEAST_KEEP_MS = 60_000;

/** How long what happened to a budget is kept, in ms: until its window ends. Both instants are epoch ms. */
export function eventKeepMs(endsMs: number, at: number): number {
  return Math.max(LEAST_KEEP_MS, endsMs - at);
}

/** What was set and who was put out, as a process knows it. */
export class Orders implements SetLimits {
  readonly #limits = new Map<string, SetLimit>();
  readonly #out = new Map<string, PutOut>();
  readonly #spent = new Map<string, SpentWord>();
  version = 1;

  get(standing: string): Amounts | undefined {
    return this.#limits.get(standing)?.limit;
  }

  /** Who set the limit, and when. */
  setBy(standing: string): SetLimit | undefined {
    return this.#limits.get(standing);
  }

  /** Why nothing is sent to the agent now; undefined: it is. */
  outUntil(agent: string, nowMs: number): PutOut | undefined {
    const out = this.#out.size === 0 ? undefined : this.#out.get(agent);
    return out !== undefined && nowMs < out.until ? out : undefined;
  }

  /** What was spent of a node at least, as control has said. */
  spentOf(node: string): Amounts {
    return this.#spent.get(node)?.spent ?? ZERO;
  }

  /** Is anybody put out? */
  get any(): boolean {
    return this.#out.size > 0;
  }

  /** Agents that nothing is sent to now. */
  out(nowMs: number): PutOut[] {
    return [...this.#out.values()].filter(({ until }) => nowMs < until);
  }

  /** A key of the bucket has this value now; undefined: it is gone. Others are left alone. */
  told(key: string, value: unknown): void {
    const [order, kind = '', ...rest] = key.split('.');
    const name = rest.join('.');
    if (order === 'order' && kind === 'limit') {
      replace(this.#limits, name, value as SetLimit | undefined);
      this.version++;
    } else if (order === 'order' && kind === 'out') {
      replace(this.#out, name, value as PutOut | undefined);
    } else if (order === 'order' && kind === 'spent') {
      replace(this.#spent, name, value as SpentWord | undefined);
    }
  }
}

function replace<V>(map: Map<string, V>, key: string, value: V | undefined): void {
  if (value === undefined) {
    map.delete(key);
  } else {
    map.set(key, value);
  }
}

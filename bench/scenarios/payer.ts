/**
 * Somebody who spends a budget as fast as it goes: many calls side by side, until all is spent or nothing is given any
 * more. It knows what it was told of every call.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { MeshError, newCallId, type Mesh } from '../../src/agent/index.js';
import { meshError } from '../../src/wire/errors.js';

/** Begins a call; resolves when it has ended, rejects with what it ended with. */
export type Spend = (id: string) => Promise<unknown>;

/** What a payer may do. */
export interface Means {
  readonly parallel: number;
  /** Calls that the budget is good for. */
  readonly worth: number;
  /** How long it goes on asking when it is refused. */
  readonly patienceMs: number;
}

const PAUSE_MS = 300;
const TIMEOUT_MS = 60_000;
/** When it was refused it asks with fewer. */
const SMALL = 20;

/** One payer. */
export class Payer {
  readonly name: string;
  readonly #spend: Spend;
  /** Calls that were told to be done, or of which nobody knows: both are paid. */
  readonly paid = new Set<string>();
  /** Calls that were refused because there is no more money, and those that ended in another way. */
  refused = 0;
  readonly others: string[] = [];
  #unknown = 0;

  constructor(name: string, spend: Spend) {
    this.name = name;
    this.#spend = spend;
  }

  /** Calls of which nobody knows whether they ran. */
  get unknown(): number {
    return this.#unknown;
  }

  /** Spend: one wave after the other, side by side within each, until it is told that all is spent, or patience ends. */
  async spend({ parallel, worth, patienceMs }: Means): Promise<void> {
    const end = performance.now() + patienceMs;
    let size = parallel;
    while (this.paid.size < worth && performance.now() < end) {
      const refused = this.refused;
      await Promise.all(Array.from({ length: size }, () => this.#one()));
      if (this.refused > refused) {
        size = Math.min(size, SMALL);
        await sleep(PAUSE_MS);
      }
    }
  }

  async #one(): Promise<void> {
    const id = newCallId();
    try {
      await this.#spend(id);
      this.paid.add(id);
    } catch (err) {
      const { code, status } = err instanceof MeshError ? err : { code: String(err), status: undefined };
      if (code === 'budget_exceeded') {
        this.refused++;
      } else if (status === 'unknown') {
        this.#unknown++;
        this.paid.add(id);
      } else {
        this.others.push(code);
      }
    }
  }
}

/** Spend through the mesh, which looks after the budget. */
export function spendBy(mesh: Mesh, capability: string): Spend {
  return (id) => mesh.call(capability, null, { id, timeoutMs: TIMEOUT_MS, acceptMs: TIMEOUT_MS });
}

/** What most do who keep budgets: look whether there is money, let the call run, then write down what it cost. */
export function checkThenRecord(worth: number, spend: Spend): Spend {
  let spent = 0;
  return async (id) => {
    if (spent >= worth) {
      throw meshError('budget_exceeded', { node: 'its own', have: 0, need: 1, until: 'the end' });
    }
    await spend(id);
    spent++;
  };
}

/**
 * What a gateway remembers of capabilities that are tried again: how long their attempts take, and how many retries and
 * second dispatches their calls have earned.
 */
import { Allowance } from '../domain/care/retries.js';
import { Times } from '../domain/care/times.js';
import { limits } from '../wire/limits.js';
import type { Core } from './core.js';
import type { Observed } from './observed.js';

/** What is remembered of one capability. */
export interface Remembered {
  readonly times: Times;
  readonly retries: Allowance;
  readonly hedges: Allowance;
}

/** Remembers, from what the gateway sees. */
export class RetryMemory {
  readonly #core: Core;
  readonly #all = new Map<string, Remembered>();

  constructor(core: Core) {
    this.#core = core;
    core.observers.add((seen) => this.#note(seen));
  }

  /** What is remembered of the capability. */
  of(capability: string): Remembered {
    let one = this.#all.get(capability);
    if (one === undefined) {
      if (this.#all.size >= limits.retried) {
        const [oldest = ''] = this.#all.keys();
        this.#all.delete(oldest);
      }
      one = { times: new Times(), retries: new Allowance(), hedges: new Allowance() };
      this.#all.set(capability, one);
    }
    return one;
  }

  #note({ decision, result, workMs }: Observed): void {
    const { capability, dispatches = 1 } = decision;
    const rules = this.#core.policy.retries.of(capability);
    if (rules === undefined) {
      return;
    }
    const { times, retries, hedges } = this.of(capability);
    // One that was stopped because another was quicker took at least as long: without it, slow ones were not seen.
    const slow = result === 'stopped' && workMs > (times.percentile(95) ?? Infinity);
    if ((result === 'completed' && workMs > 0) || slow) {
      times.add(workMs);
    }
    if (dispatches <= 1) {
      retries.earn(rules.budget);
      hedges.earn(rules.hedge?.share ?? 0);
    }
  }
}

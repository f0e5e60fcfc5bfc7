/**
 * How long attempts of a capability take: the last ones that were completed, and what share of them was quicker.
 */
import { limits } from '../../wire/limits.js';

/** Samples after which the order is looked at anew. */
const FRESH = 8;

/** The times of one capability. */
export class Times {
  readonly #last: number[] = [];
  #next = 0;
  #sorted: readonly number[] = [];
  #fresh = 0;

  /** How many it remembers. */
  get size(): number {
    return this.#last.length;
  }

  /** One took so long, in ms. */
  add(ms: number): void {
    this.#last[this.#next] = ms;
    this.#next = (this.#next + 1) % limits.retryTimes;
    this.#fresh++;
  }

  /** So many percent of them took at most this, in ms; undefined when there was none. */
  percentile(percent: number): number | undefined {
    if (this.#fresh >= FRESH || this.#sorted.length < FRESH) {
      this.#sorted = [...this.#last].sort((a, b) => a - b);
      this.#fresh = 0;
    }
    return this.#sorted[Math.max(0, Math.ceil((this.#sorted.length * percent) / 100) - 1)];
  }
}

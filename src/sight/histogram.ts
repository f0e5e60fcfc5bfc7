/**
 * A histogram of durations that costs a call a few comparisons and one addition: no labels, no objects. The page of
 * metrics reads it when it is asked for.
 */

/** Upper bounds of the buckets in ms; slower ones fall into the last, which has no bound. */
const BOUNDS_MS: readonly number[] = [
  0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 125, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000,
];
/** Guards take microseconds. */
const FINE_MS: readonly number[] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5, 25];

/** One line of a histogram as Prometheus has it: `le` in seconds. */
export interface Bucket {
  readonly le: number | '+Inf';
  readonly count: number;
}

/** Counts durations. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: Float64Array;
  #sumMs = 0;

  /** `fine`: for microseconds. */
  constructor(fine = false) {
    this.#bounds = fine ? FINE_MS : BOUNDS_MS;
    this.#counts = new Float64Array(this.#bounds.length + 1);
  }

  /** Count one. Clocks may disagree: below zero counts as zero. */
  observe(ms: number): void {
    const bounds = this.#bounds;
    let at = 0;
    while (at < bounds.length && ms > (bounds[at] as number)) {
      at++;
    }
    (this.#counts[at] as number)++;
    if (ms > 0) {
      this.#sumMs += ms;
    }
  }

  /** All counted durations together, in seconds. */
  get sum(): number {
    return this.#sumMs / 1000;
  }

  /** How many were counted. */
  get count(): number {
    return this.#counts.reduce((sum, one) => sum + one, 0);
  }

  /** Cumulative, as Prometheus wants them. */
  buckets(): Bucket[] {
    let count = 0;
    return [...this.#counts].map((one, i) => {
      count += one;
      const bound = this.#bounds[i];
      return { le: bound === undefined ? '+Inf' : bound / 1000, count };
    });
  }
}

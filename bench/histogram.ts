/**
 * Latencies in constant memory: buckets that grow by a fifth of a percent.
 */
const PER_E = 500;
const BUCKETS = 10_500; // up to e^21 µs, which is twenty minutes

/** Counts latencies. */
export class Histogram {
  readonly #buckets = new Uint32Array(BUCKETS);
  #count = 0;

  /** Count one, in µs. */
  add(us: number): void {
    const at = us <= 1 ? 0 : Math.round(Math.log(us) * PER_E);
    const bucket = Math.min(at, BUCKETS - 1);
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
    this.#count++;
  }

  get count(): number {
    return this.#count;
  }

  /** The latency in µs that this share of all stays below. */
  quantile(share: number): number {
    let left = this.#count * share;
    for (let at = 0; at < BUCKETS; at++) {
      left -= this.#buckets[at] ?? 0;
      if (left < 0) {
        return Math.exp(at / PER_E);
      }
    }
    return 0;
  }
}

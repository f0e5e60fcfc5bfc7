/**
 * Settings by patterns of capabilities: the first pattern that fits counts.
 */
import { matches } from '../../wire/names.js';

const CACHE = 10_000;

/** What counts for a capability; looked up once for each. */
export class ByPattern<T> {
  readonly #entries: readonly (readonly [pattern: string, value: T])[];
  readonly #otherwise: T;
  readonly #known = new Map<string, T>();

  /** `otherwise`: what counts where no pattern fits. */
  constructor(entries: readonly (readonly [string, T])[], otherwise: T) {
    this.#entries = entries;
    this.#otherwise = otherwise;
  }

  /** Does any pattern say anything? */
  get empty(): boolean {
    return this.#entries.length === 0;
  }

  /** What counts for the capability. */
  of(capability: string): T {
    if (this.#entries.length === 0) {
      return this.#otherwise;
    }
    let value = this.#known.get(capability);
    if (value === undefined) {
      const found = this.#entries.find(([pattern]) => pattern === '>' || matches(pattern, capability));
      value = found === undefined ? this.#otherwise : found[1];
      if (this.#known.size >= CACHE) {
        this.#known.clear(); // which costs one round of look-ups
      }
      this.#known.set(capability, value);
    }
    return value;
  }
}

/**
 * Bounded work: a few at once, some that wait, and a no for all beyond.
 */
import { meshError } from '../../wire/errors.js';

/** Places for work that holds memory. */
export class Slots {
  readonly #atOnce: number;
  readonly #atMostWaiting: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(atOnce: number, atMostWaiting: number) {
    this.#atOnce = atOnce;
    this.#atMostWaiting = atMostWaiting;
  }

  /** Run it when there is a place. Throws overloaded when too many wait already. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#atOnce) {
      if (this.#waiting.length >= this.#atMostWaiting) {
        throw meshError('overloaded', { what: 'the reading of large bodies', percent: 100 });
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve)); // the place is handed over, not freed
    } else {
      this.#running++;
    }
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) {
        this.#running--;
      } else {
        next();
      }
    }
  }
}

/** Counts what each user has in hand, and refuses the rest. */
export class Shares {
  readonly #perUser: number;
  readonly #inAll: number;
  readonly #counts = new Map<string, number>();
  #total = 0;

  constructor(perUser: number, inAll: number) {
    this.#perUser = perUser;
    this.#inAll = inAll;
  }

  /** Run it as one of the user's share. Throws overloaded. */
  async run<T>(user: string, work: () => Promise<T>): Promise<T> {
    const mine = this.#counts.get(user) ?? 0;
    if (mine >= this.#perUser || this.#total >= this.#inAll) {
      const what =
        mine >= this.#perUser ? `the share of ${user} in large bodies` : 'the passing of large bodies';
      throw meshError('overloaded', { what, percent: 100 });
    }
    this.#counts.set(user, mine + 1);
    this.#total++;
    try {
      return await work();
    } finally {
      this.#total--;
      const left = (this.#counts.get(user) ?? 1) - 1;
      if (left === 0) {
        this.#counts.delete(user);
      } else {
        this.#counts.set(user, left);
      }
    }
  }
}

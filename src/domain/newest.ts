/**
 * Values that come faster than they can be taken: only the newest is, and taking them uses a bounded part of the time.
 */

/** What `Newest` needs of the world. */
export interface NewestWorld {
  /** Milliseconds that only grow. */
  readonly now: () => number;
  readonly after: (ms: number, run: () => void) => void;
}

/** After each value it rests this many times as long as taking it took. */
const REST = 4;

/** Takes values one at a time, the newest first; the ones between are left out. */
export class Newest<T> {
  readonly #take: (value: T) => void | Promise<void>;
  readonly #world: NewestWorld;
  #waiting: { readonly value: T } | undefined;
  #resting = false;

  constructor(take: (value: T) => void | Promise<void>, world: NewestWorld) {
    this.#take = take;
    this.#world = world;
  }

  /** Take it now, or when the rest is over, unless a newer one comes. */
  offer(value: T): void {
    if (this.#resting) {
      this.#waiting = { value };
      return;
    }
    this.#resting = true;
    const began = this.#world.now();
    const rest = (): void => this.#rest((this.#world.now() - began) * REST);
    const taken = this.#take(value);
    if (taken === undefined) {
      rest();
    } else {
      taken.then(rest, rest);
    }
  }

  #rest(ms: number): void {
    this.#world.after(ms, () => {
      this.#resting = false;
      const next = this.#waiting;
      this.#waiting = undefined;
      if (next !== undefined) {
        this.offer(next.value);
      }
    });
  }
}

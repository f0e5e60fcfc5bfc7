/**
 * Calls that wait for capacity, unacknowledged, for at most `waitUnackedMs`: then they are parked. One queue per
 * capability, so that none waits for another.
 */
import type { Incoming } from '../chain/draft.js';
import { limits } from '../wire/limits.js';
import type { Origin } from './origin.js';

/** One waiting call. */
export interface Waiting {
  readonly key: string;
  readonly incoming: Incoming;
  readonly origin: Origin;
  readonly capability: string;
  readonly sinceMs: number;
  /** Calls of one queue wait for each other; default: those of its capability. */
  readonly queue?: string;
}

/** Tries one again: false when there is still no capacity for its capability. */
export type TryAgain = (w: Waiting) => boolean;

/** The queues. */
export class WaitingRoom {
  readonly #queues = new Map<string, Waiting[]>();
  readonly #byKey = new Map<string, Waiting>();
  /** Calls that other agents are asked about, and how many times. */
  readonly #away = new Map<string, number>();
  readonly #tryAgain: TryAgain;
  readonly #park: (w: Waiting) => void;
  #timer: NodeJS.Timeout | undefined;
  #scheduled = false;

  constructor(tryAgain: TryAgain, park: (w: Waiting) => void) {
    this.#tryAgain = tryAgain;
    this.#park = park;
  }

  get size(): number {
    return this.#byKey.size + this.#away.size;
  }

  /** Calls that other agents are asked about. */
  get asking(): number {
    return this.#away.size;
  }

  /** The call waits for answers of other agents: nobody tries it. Returns how to say that it is back. */
  away(key: string): () => void {
    this.#away.set(key, (this.#away.get(key) ?? 0) + 1);
    return () => {
      const left = (this.#away.get(key) ?? 1) - 1;
      if (left === 0) {
        this.#away.delete(key);
      } else {
        this.#away.set(key, left);
      }
    };
  }

  /** Watch the clock. */
  start(): void {
    this.#timer = setInterval(() => this.#sweep(Date.now()), 50);
  }

  /** Stop; what waits is left to redelivery. */
  stop(): void {
    clearInterval(this.#timer);
  }

  /** Wait; beyond the bound a call is parked at once. */
  add(w: Waiting): void {
    if (this.#byKey.size >= limits.waiting) {
      return this.#park(w);
    }
    this.#byKey.set(w.key, w);
    const queue = this.#queues.get(queueOf(w));
    if (queue === undefined) {
      this.#queues.set(queueOf(w), [w]);
    } else {
      queue.push(w);
    }
  }

  /** Does the call wait here? */
  has(key: string): boolean {
    return this.#byKey.has(key) || this.#away.has(key);
  }

  /** Take a waiting call out, for instance because it was cancelled. */
  take(key: string): Waiting | undefined {
    const w = this.#byKey.get(key);
    if (w !== undefined) {
      this.#byKey.delete(key);
      const queue = this.#queues.get(queueOf(w))?.filter((other) => other !== w) ?? [];
      this.#keep(queueOf(w), queue);
    }
    return w;
  }

  /** Try those again about which something may have changed that is not capacity. */
  review(concerns: (w: Waiting) => boolean): void {
    for (const w of [...this.#byKey.values()].filter(concerns)) {
      this.take(w.key);
      if (!this.#tryAgain(w)) {
        this.add(w);
      }
    }
  }

  /** Somebody may be free: try the queues soon, once for many such events. */
  poke(): void {
    if (this.#byKey.size > 0 && !this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        this.#drain();
      });
    }
  }

  #drain(): void {
    for (const [capability, queue] of this.#queues) {
      let done = 0;
      for (const w of queue) {
        this.#byKey.delete(w.key);
        if (!this.#tryAgain(w)) {
          this.#byKey.set(w.key, w);
          break;
        }
        done++;
      }
      if (done > 0) {
        this.#keep(capability, queue.slice(done));
      }
    }
  }

  #sweep(nowMs: number): void {
    this.#drain();
    for (const [capability, queue] of this.#queues) {
      const late = queue.filter((w) => nowMs - w.sinceMs >= limits.waitUnackedMs);
      if (late.length > 0) {
        this.#keep(capability, queue.slice(late.length));
        for (const w of late) {
          this.#byKey.delete(w.key);
          this.#park(w);
        }
      }
    }
  }

  #keep(capability: string, queue: Waiting[]): void {
    if (queue.length === 0) {
      this.#queues.delete(capability);
    } else {
      this.#queues.set(capability, queue);
    }
  }
}

/** The call waits in another queue from now on. */
export function inQueue(w: Waiting, queue: string | undefined): Waiting {
  return queue === undefined ? w : { ...w, queue, sinceMs: Date.now() };
}

function queueOf({ queue, capability }: Waiting): string {
  return queue ?? capability;
}

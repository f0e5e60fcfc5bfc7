/**
 * Calls that wait for capacity, unacknowledged, for at most `waitUnackedMs`: then they are parked. One queue per
 * capability, so that none waits for another; in a queue callers take turns.
 */
import type { Incoming } from '../chain/draft.js';
import { Lanes } from '../domain/rate/lanes.js';
import { hasRoom } from '../domain/rate/room.js';
import { wishKey } from '../domain/routing/wish.js';
import { header } from '../wire/headers.js';
import { limits } from '../wire/limits.js';
import type { Priority } from '../wire/priority.js';
import type { Origin } from './origin.js';
import type { Wait } from './queues.js';

/** One waiting call. */
export interface Waiting {
  readonly key: string;
  readonly incoming: Incoming;
  readonly origin: Origin;
  readonly capability: string;
  readonly sinceMs: number;
  /** Default: normal. */
  readonly priority?: Priority;
  /** Calls of one queue wait for each other; default: those of its capability. */
  readonly queue?: string;
}

/** Tries one again: false when there is still no capacity for its capability. */
export type TryAgain = (w: Waiting) => boolean;

/** Callers that are tried before a queue is left: the first may wait for what the second does not need. */
const TRIES = 2;

/** The queues. */
export class WaitingRoom {
  readonly #queues = new Map<string, Lanes<Waiting>>();
  /** How many wait of each caller. */
  readonly #callers = new Map<string, number>();
  readonly #byKey = new Map<string, Waiting>();
  /** Calls that other agents are asked about, and how many times. */
  readonly #away = new Map<string, number>();
  readonly #tryAgain: TryAgain;
  readonly #queueOf: (w: Waiting) => string;
  /** In which queue each one stands. */
  readonly #at = new Map<string, string>();
  readonly #park: (w: Waiting) => void;
  #timer: NodeJS.Timeout | undefined;
  #scheduled = false;

  /** `queueOf`: in which queue a call waits as things are; default: its own, or that of its capability. */
  constructor(tryAgain: TryAgain, park: (w: Waiting) => void, queueOf: (w: Waiting) => string = usualQueue) {
    this.#queueOf = queueOf;
    this.#tryAgain = tryAgain;
    this.#park = park;
  }

  get size(): number {
    return this.#byKey.size + this.#away.size;
  }

  /** What waits for capacity, or for its rate or budget, and for how long (ms). */
  *waits(): Iterable<Wait> {
    const nowMs = Date.now();
    for (const { capability, priority = 'normal', sinceMs } of this.#byKey.values()) {
      yield { capability, priority, waitedMs: nowMs - sinceMs };
    }
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

  /** Wait; a caller that has its share of the room, or more, has its call parked at once. */
  add(w: Waiting): void {
    const lane = this.#callers.get(w.incoming.from) ?? 0;
    if (!hasRoom(w.priority ?? 'normal', { lane, used: this.#byKey.size, bound: limits.waiting })) {
      return this.#park(w);
    }
    this.#queue(this.#queueOf(w)).push(w.priority ?? 'normal', w.incoming.from, w);
    this.#in(w);
  }

  #queue(name: string): Lanes<Waiting> {
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      queue = new Lanes();
      this.#queues.set(name, queue);
    }
    return queue;
  }

  /** Does the call wait here? */
  has(key: string): boolean {
    return this.#byKey.has(key) || this.#away.has(key);
  }

  /** Take a waiting call out, for instance because it was cancelled. */
  take(key: string): Waiting | undefined {
    const w = this.#byKey.get(key);
    if (w !== undefined) {
      const name = this.#at.get(key) ?? '';
      this.#queues.get(name)?.takeOut((other) => other === w);
      this.#out(w);
      this.#forget(name);
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
    for (const [name, queue] of this.#queues) {
      let tries = Math.min(TRIES, queue.count);
      while (tries > 0) {
        const w = queue.next();
        if (w === undefined) {
          break;
        }
        this.#out(w);
        if (!this.#tryAgain(w)) {
          const to = this.#queueOf(w); // it may wait for something else now
          this.#queue(to).back(w.priority ?? 'normal', w.incoming.from, w);
          this.#in(w);
          tries -= to === name ? 1 : 0;
        }
      }
      this.#forget(name);
    }
  }

  #sweep(nowMs: number): void {
    this.#drain();
    for (const [name, queue] of this.#queues) {
      for (const w of queue.takeOut((one) => nowMs - one.sinceMs >= limits.waitUnackedMs)) {
        this.#out(w);
        this.#park(w);
      }
      this.#forget(name);
    }
  }

  #in(w: Waiting): void {
    this.#byKey.set(w.key, w);
    this.#at.set(w.key, this.#queueOf(w));
    const { from } = w.incoming;
    this.#callers.set(from, (this.#callers.get(from) ?? 0) + 1);
  }

  #out(w: Waiting): void {
    this.#byKey.delete(w.key);
    this.#at.delete(w.key);
    const { from } = w.incoming;
    const left = (this.#callers.get(from) ?? 1) - 1;
    if (left > 0) {
      this.#callers.set(from, left);
    } else {
      this.#callers.delete(from);
    }
  }

  #forget(name: string): void {
    if (this.#queues.get(name)?.size === 0) {
      this.#queues.delete(name);
    }
  }
}

/** The call waits in another queue from now on. */
export function inQueue(w: Waiting, queue: string | undefined): Waiting {
  return queue === undefined ? w : { ...w, queue, sinceMs: Date.now() };
}

/** In which queue a call waits for capacity: calls with different wishes wait for different agents. */
export function usualQueue({ queue, capability, incoming: { headers } }: Waiting): string {
  if (queue !== undefined) {
    return queue;
  }
  const wish = wishKey(headers.get(header.route), headers.get(header.difficulty));
  return wish === undefined ? capability : `${capability}|${wish}`;
}

/** The queue of a caller whose calls are held for a rate: they wait for nothing that others need. */
export function pacedQueue({ incoming }: Waiting): string {
  return `~${incoming.from}`;
}

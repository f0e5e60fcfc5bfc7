/**
 * Load: a number of calls kept in flight, or begun at a rate, and what was seen of them inside a window.
 */
import { Histogram } from './histogram.js';
import type { Seen, Window } from './protocol.js';

/** Begin one call; `done` is called once, with an error when it did not complete. */
export type Begin = (n: number, done: (err?: unknown) => void) => void;

/** Run one window. `onOpen` and `onClosed` are told when it begins and ends; resolves when no call is left. */
export function runWindow(
  begin: Begin,
  window: Window,
  onOpen: () => void,
  onClosed: (seen: Seen) => void,
): Promise<void> {
  return new Promise((drained) => {
    const load = new Load(begin, window, drained);
    load.start();
    setTimeout(() => {
      load.open();
      onOpen();
      setTimeout(() => onClosed(load.close()), window.windowMs);
    }, window.rampMs);
  });
}

/** Over the life of the process, so that no two calls are alike. */
let begun = 0;
let completed = 0;

/** Calls that completed since the process began. */
export function completedCalls(): number {
  return completed;
}

class Load {
  readonly #begin: Begin;
  readonly #window: Window;
  readonly #drained: () => void;
  readonly #latencies = new Histogram();
  #inFlight = 0;
  #failed = 0;
  #firstError: string | undefined;
  #state: 'ramp' | 'open' | 'closed' = 'ramp';
  #openedMs = 0;
  #pacer: NodeJS.Timeout | undefined;

  constructor(begin: Begin, window: Window, drained: () => void) {
    this.#begin = begin;
    this.#window = window;
    this.#drained = drained;
  }

  start(): void {
    const { inFlight, perSecond } = this.#window;
    if (perSecond !== undefined) {
      return this.#pace(perSecond, inFlight);
    }
    for (let i = 0; i < inFlight; i++) {
      this.#one();
    }
  }

  open(): void {
    this.#state = 'open';
    this.#openedMs = performance.now();
  }

  close(): Seen {
    const seconds = (performance.now() - this.#openedMs) / 1000;
    this.#state = 'closed';
    clearInterval(this.#pacer);
    if (this.#inFlight === 0) {
      this.#drained();
    }
    return {
      calls: this.#latencies.count,
      failed: this.#failed,
      ...(this.#firstError === undefined ? {} : { firstError: this.#firstError }),
      seconds,
      p50us: this.#latencies.quantile(0.5),
      p99us: this.#latencies.quantile(0.99),
    };
  }

  /** Begin calls at a rate, at most `most` at once. After a pause at most one second is made up for. */
  #pace(perSecond: number, most: number): void {
    const beganMs = performance.now();
    let paced = 0;
    this.#pacer = setInterval(() => {
      const due = ((performance.now() - beganMs) / 1000) * perSecond;
      for (; paced < due && this.#inFlight < most; paced++) {
        this.#one();
      }
      paced = Math.max(paced, due - perSecond);
    }, 1);
  }

  #one(): void {
    const beganMs = performance.now();
    this.#inFlight++;
    this.#begin(begun++, (err) => this.#ended(beganMs, err));
  }

  #ended(beganMs: number, err: unknown): void {
    this.#inFlight--;
    if (err !== undefined) {
      this.#failed++;
      this.#firstError ??= err instanceof Error ? err.message : JSON.stringify(err);
    } else {
      completed++;
      if (this.#state === 'open') {
        this.#latencies.add((performance.now() - beganMs) * 1000);
      }
    }
    if (this.#state === 'closed') {
      if (this.#inFlight === 0) {
        this.#drained();
      }
    } else if (this.#window.perSecond === undefined) {
      this.#one();
    }
  }
}

/**
 * Load: a number of calls kept in flight, or begun at a rate, and what was seen of them inside a window.
 */
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
      setTimeout(() => {
        onClosed(load.close());
      }, window.windowMs);
    }, window.rampMs);
  });
}

/** Counts over the life of the process, so that no two calls are alike. */
let count = 0;

class Load {
  readonly #begin: Begin;
  readonly #window: Window;
  readonly #drained: () => void;
  readonly #latencies: number[] = [];
  #inFlight = 0;
  #failed = 0;
  #firstError: string | undefined;
  #counting = false;
  #stopped = false;
  #openedMs = 0;
  #pacer: NodeJS.Timeout | undefined;

  constructor(begin: Begin, window: Window, drained: () => void) {
    this.#begin = begin;
    this.#window = window;
    this.#drained = drained;
  }

  start(): void {
    const { inFlight, perSecond } = this.#window;
    if (perSecond === undefined) {
      for (let i = 0; i < inFlight; i++) {
        this.#one();
      }
    } else {
      this.#pace(perSecond, inFlight);
    }
  }

  open(): void {
    this.#counting = true;
    this.#openedMs = performance.now();
  }

  close(): Seen {
    const seconds = (performance.now() - this.#openedMs) / 1000;
    this.#counting = false;
    this.#stopped = true;
    clearInterval(this.#pacer);
    if (this.#inFlight === 0) {
      this.#drained();
    }
    const sorted = Float64Array.from(this.#latencies).sort();
    const at = (share: number) => (sorted[Math.floor(sorted.length * share)] ?? 0) * 1000;
    return {
      calls: sorted.length,
      failed: this.#failed,
      ...(this.#firstError === undefined ? {} : { firstError: this.#firstError }),
      seconds,
      p50us: at(0.5),
      p99us: at(0.99),
    };
  }

  #pace(perSecond: number, most: number): void {
    const beganMs = performance.now();
    let begun = 0;
    this.#pacer = setInterval(() => {
      const due = ((performance.now() - beganMs) / 1000) * perSecond;
      for (; begun < due && this.#inFlight < most; begun++) {
        this.#one();
      }
      begun = Math.max(begun, due - perSecond); // after a pause at most one second is made up for
    }, 1);
  }

  #one(): void {
    const beganMs = performance.now();
    this.#inFlight++;
    this.#begin(count++, (err) => this.#ended(beganMs, err));
  }

  #ended(beganMs: number, err: unknown): void {
    this.#inFlight--;
    if (err !== undefined) {
      this.#failed++;
      this.#firstError ??= String(err);
    } else if (this.#counting) {
      this.#latencies.push(performance.now() - beganMs);
    }
    if (!this.#stopped && this.#window.perSecond === undefined) {
      this.#one();
    } else if (this.#stopped && this.#inFlight === 0) {
      this.#drained();
    }
  }
}

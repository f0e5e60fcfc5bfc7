/**
 * Finished spans on their way to the collector: a bounded queue, small batches, one export at a time. When the collector
 * is slow or dead, spans are dropped and counted, and nothing else happens.
 */
import { limits } from '../wire/limits.js';

/** What became of spans. */
export interface SpanCounts {
  readonly exported: number;
  /** More were made than the queue or the rate allows. */
  readonly dropped: number;
  /** The collector did not take them. */
  readonly failed: number;
}

/** Sends a batch; says whether the collector took it. Never throws. */
export type Export<T> = (batch: T[], done: (error: Error | undefined) => void) => void;

/** The queue of one process. */
export class Spool<T> {
  readonly #export: Export<T>;
  readonly #onTrouble: (why: string) => void;
  #queue: T[] = [];
  #timer: NodeJS.Timeout | undefined;
  #sending = false;
  #troubled = false;
  #exported = 0;
  #dropped = 0;
  #failed = 0;
  #second = 0;
  #inSecond = 0;
  #idle: (() => void)[] = [];

  /** `onTrouble` hears when exports begin to fail, once until one succeeds again. */
  constructor(send: Export<T>, onTrouble: (why: string) => void = () => undefined) {
    this.#export = send;
    this.#onTrouble = onTrouble;
  }

  /** What became of all spans so far. */
  get counts(): SpanCounts {
    return { exported: this.#exported, dropped: this.#dropped, failed: this.#failed };
  }

  /** May so many spans be made now? Asked before they are made: what would be dropped should cost nothing. */
  room(spans: number): boolean {
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#inSecond = 0;
    }
    if (this.#queue.length + spans > limits.spanQueue || this.#inSecond + spans > limits.spansPerSecond) {
      this.#dropped += spans;
      return false;
    }
    this.#inSecond += spans;
    return true;
  }

  /** Take a finished span. */
  add(span: T): void {
    if (this.#queue.length >= limits.spanQueue) {
      this.#dropped++;
      return;
    }
    this.#queue.push(span);
    if (this.#queue.length >= limits.spanBatch) {
      this.#send();
    } else if (this.#timer === undefined) {
      this.#timer = setTimeout(() => this.#send(), limits.spanFlushMs);
      this.#timer.unref();
    }
  }

  /** Resolves when everything is exported or has failed, at the latest after `withinMs`. */
  async flush(withinMs: number = limits.exportFlushMs): Promise<void> {
    if (this.#queue.length === 0 && !this.#sending) {
      return;
    }
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, withinMs)));
    const idle = new Promise<void>((resolve) => this.#idle.push(resolve));
    this.#send();
    await Promise.race([idle, late]);
    clearTimeout(timer);
  }

  #send(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#sending) {
      return;
    }
    if (this.#queue.length === 0) {
      this.#idle.forEach((tell) => tell());
      this.#idle = [];
      return;
    }
    const batch = this.#queue.slice(0, limits.spanBatch);
    this.#queue = this.#queue.slice(limits.spanBatch);
    this.#sending = true;
    this.#export(batch, (error) => this.#sent(batch.length, error));
  }

  #sent(count: number, error: Error | undefined): void {
    this.#sending = false;
    if (error === undefined) {
      this.#exported += count;
      this.#troubled = false;
    } else {
      this.#failed += count;
      if (!this.#troubled) {
        this.#troubled = true;
        this.#onTrouble(error.message);
      }
    }
    if (this.#queue.length >= limits.spanBatch || this.#idle.length > 0) {
      setImmediate(() => this.#send());
    } else if (this.#queue.length > 0 && this.#timer === undefined) {
      this.#timer = setTimeout(() => this.#send(), limits.spanFlushMs);
      this.#timer.unref();
    }
  }
}

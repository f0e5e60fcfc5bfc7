/**
 * What keeps a view small: how much it may read, how long it may take, how much it may say, and how many views one
 * asker may have running.
 */
import { scan, type ScanOptions, type Stored } from '../../fabric/reader.js';
import { meshError } from '../../wire/errors.js';
import { limits } from '../../wire/limits.js';
import type { Control } from '../core.js';

/** Time one view may read; its asker waits a little longer. */
const READ_MS = 5_000;
/** Below max_payload of the server, with room for what stands around the rows. */
const REPLY_BYTES = 900_000;
const VIEWS_PER_ASKER = 16;

/** What one view may still read. */
export class Budget {
  /** True once something was left out. */
  truncated = false;
  #left = limits.viewScan;
  readonly #untilMs = Date.now() + READ_MS;

  /** Read a stream within the budget. `onMessage` may return false to stop. */
  async scan(
    { nc }: Control,
    stream: string,
    options: ScanOptions,
    onMessage: (m: Stored) => boolean | undefined,
  ): Promise<void> {
    if (this.spent) {
      this.truncated = true;
      return;
    }
    await scan(nc, stream, options, (m) => {
      this.#left--;
      if (onMessage(m) === false) {
        return false;
      }
      this.truncated ||= this.spent;
      return !this.spent;
    });
  }

  /** Nothing may be read any more. */
  get spent(): boolean {
    return this.#left <= 0 || Date.now() > this.#untilMs;
  }
}

/** As many rows as fit into a reply. */
export function fit<T>(rows: readonly T[], bytes: number = REPLY_BYTES): { rows: T[]; cut: boolean } {
  let left = bytes;
  const end = rows.findIndex((row) => (left -= Buffer.byteLength(JSON.stringify(row)) + 1) < 0);
  return { rows: end < 0 ? [...rows] : rows.slice(0, end), cut: end >= 0 };
}

/** The mark of a page that was cut. */
export function mark(truncated: boolean): { truncated?: true } {
  return truncated ? { truncated: true } : {};
}

/** Lets one asker have only so many views at once, so that none keeps control from its other work. */
export class Gate {
  readonly #running = new Map<string, number>();

  /** Run a view. Throws overloaded. */
  async run<T>(asker: string, view: () => T | Promise<T>): Promise<T> {
    const running = this.#running.get(asker) ?? 0;
    if (running >= VIEWS_PER_ASKER) {
      throw meshError('overloaded', { what: `the view service (for ${asker})`, percent: 100 });
    }
    this.#running.set(asker, running + 1);
    try {
      // What else came with the same packet is counted before this begins.
      await new Promise((resolve) => setImmediate(resolve));
      return await view();
    } finally {
      const left = (this.#running.get(asker) ?? 1) - 1;
      if (left === 0) {
        this.#running.delete(asker);
      } else {
        this.#running.set(asker, left);
      }
    }
  }
}

/** Lets a few at a time do what costs memory; the others wait their turn. */
export class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** Do it as soon as there is a slot. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) {
      this.#free--;
    } else {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) {
        this.#free++;
      } else {
        next(); // it takes over the slot
      }
    }
  }
}

/** Do something for each of a list, a few at a time. */
export async function eachOf<T>(
  list: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const rest = list.values();
  const worker = async () => {
    for (const item of rest) {
      await work(item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, list.length) }, worker));
}

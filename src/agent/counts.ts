/**
 * What this instance has counted: tasks by capability, told to control when it asks. `nats micro stats` shows it.
 */
import type { NatsConnection } from '../fabric/connection.js';
import { headersOf, rawHeaders } from '../fabric/raw.js';
import { subject } from '../wire/generated/subjects.js';
import type { Stats } from '../wire/generated/messages.js';
import { encodeHeaders, header } from '../wire/headers.js';
import type { Token } from '../wire/names.js';

interface Count {
  tasks: number;
  failed: number;
  workedMs: number;
  lastError?: string;
}

const ERROR_CHARS = 256;

/** Counts tasks. Bounded by the capabilities of a card. */
export class Counts {
  readonly #since = Date.now();
  readonly #counts = new Map<string, Count>();

  /** A task ran to its end. `failed`: why it did not complete. */
  add(capability: string, workedMs: number, failed: string | undefined): void {
    let count = this.#counts.get(capability);
    if (count === undefined) {
      count = { tasks: 0, failed: 0, workedMs: 0 };
      this.#counts.set(capability, count);
    }
    count.tasks++;
    count.workedMs += workedMs;
    if (failed !== undefined) {
      count.failed++;
      count.lastError = failed.slice(0, ERROR_CHARS);
    }
  }

  /** The numbers as they cross the wire. */
  toStats(): Stats {
    const capabilities = [...this.#counts].map(([name, { workedMs, ...count }]) => ({
      name,
      ...count,
      workedUs: Math.round(workedMs * 1_000),
    }));
    return { since: this.#since, capabilities };
  }

  /** Tell control whenever it asks. */
  answer(nc: NatsConnection, agent: Token, instance: Token): void {
    const headers = rawHeaders(encodeHeaders([[header.instance, instance]]));
    nc.subscribe(subject.measure({ agent, instance }), {
      callback: (err, msg) => {
        // Bytes that the server wrote have no headers: nobody asked.
        if (err === null && !headersOf(msg).empty) {
          nc.publish(subject.stats({ agent, instance }), JSON.stringify(this.toStats()), { headers });
        }
      },
    });
  }
}

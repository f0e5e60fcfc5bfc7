/**
 * The light publisher: JetStream publishes with one inbox subscription per process, a map of waiting
 * acknowledgements and one sweep for those that never come. No timer and no promise chain per message: the client's
 * convenience calls, not the broker, cost the most on the path of a call.
 */
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { headersOf } from './raw.js';
import { send, type Headers } from './sender.js';
import { limits } from '../wire/limits.js';

/** What an acknowledgement said. The five meanings of a PubAck, as data. */
export type Ack =
  /** Stored, first time. */
  | { readonly kind: 'stored'; readonly seq: number }
  /** A message with this id is already stored at `seq`: whoever wrote that has decided, perhaps we ourselves. */
  | { readonly kind: 'duplicate'; readonly seq: number }
  /** 10077: one-per-subject is taken, or the stream is full. Only the register can tell which. */
  | { readonly kind: 'occupied'; readonly text: string }
  /** 10158, silence, or nobody listens: retry with the same id. */
  | { readonly kind: 'retry'; readonly text: string }
  /** Anything else: not durable, do nothing. */
  | { readonly kind: 'refused'; readonly code: number; readonly text: string };

type OnAck = (ack: Ack) => void;

interface Waiting {
  readonly onAck: OnAck;
  readonly dueMs: number;
}

const SWEEP_MS = 100;

/** Publishes with acknowledgement over one connection. */
export class LightPublisher {
  readonly #nc: NatsConnection;
  readonly #prefix: string;
  readonly #waiting = new Map<string, Waiting>();
  readonly #sweep: NodeJS.Timeout;
  readonly #timeoutMs: number;
  #next = 0;

  /** `inbox` is a subject prefix of this user; it must be unique to this publisher. */
  constructor(nc: NatsConnection, inbox: string, timeoutMs: number = limits.ackTimeoutMs) {
    this.#nc = nc;
    this.#prefix = `${inbox}.`;
    this.#timeoutMs = timeoutMs;
    const skip = this.#prefix.length;
    nc.subscribe(`${this.#prefix}*`, {
      callback: (err, msg) => {
        if (err === null) {
          this.#settle(msg.subject.slice(skip), readAck(msg));
        }
      },
    });
    this.#sweep = setInterval(() => this.#expire(), SWEEP_MS);
    this.#sweep.unref();
  }

  /** Publish; `onAck` is called exactly once, also when nothing comes back (`retry` after `ackTimeoutMs`). */
  publish(subject: string, body: Uint8Array, headers: Headers, onAck: OnAck): void {
    const id = (this.#next++).toString(36);
    this.#waiting.set(id, { onAck, dueMs: performance.now() + this.#timeoutMs });
    try {
      send(this.#nc, subject, body, headers, this.#prefix + id);
    } catch (err) {
      // Closed, or larger than the server takes: saying it again would not help.
      queueMicrotask(() => this.#settle(id, { kind: 'refused', code: 0, text: String(err) }));
    }
  }

  /** The same as a promise, for paths that are not hot. */
  publishAsync(subject: string, body: Uint8Array, headers: Headers): Promise<Ack> {
    return new Promise((resolve) => this.publish(subject, body, headers, resolve));
  }

  /** Publishes that have no acknowledgement yet. */
  get inFlight(): number {
    return this.#waiting.size;
  }

  /** Stop the sweep; what still waits is answered `retry`. */
  close(): void {
    clearInterval(this.#sweep);
    for (const id of [...this.#waiting.keys()]) {
      this.#settle(id, { kind: 'retry', text: 'closed' });
    }
  }

  #settle(id: string, ack: Ack): void {
    const w = this.#waiting.get(id);
    if (w !== undefined) {
      this.#waiting.delete(id);
      w.onAck(ack);
    }
  }

  #expire(): void {
    const now = performance.now();
    for (const [id, w] of this.#waiting) {
      if (w.dueMs > now) {
        return; // insertion order is due order
      }
      this.#settle(id, { kind: 'retry', text: 'no acknowledgement' });
    }
  }
}

const ascii = new TextDecoder('latin1');
const OCCUPIED = 10077;
const RETRYABLE = new Set([10158, 10008, 10039, 10074]);

/** Read a PubAck. Exported for the tests of its five meanings. */
export function readAck(msg: Msg): Ack {
  const data = msg.data;
  if (data.length === 0) {
    return { kind: 'retry', text: `status ${headersOf(msg).statusCode}` };
  }
  const text = ascii.decode(data);
  const seqAt = text.indexOf('"seq":');
  if (seqAt > 0 && !text.startsWith('{"error"')) {
    const seq = Number.parseInt(text.slice(seqAt + 6), 10);
    // The server writes `"duplicate": true`, with a space, and leaves the key out otherwise.
    const duplicate = text.indexOf('"duplicate"') > 0;
    return seq > 0 ? { kind: duplicate ? 'duplicate' : 'stored', seq } : { kind: 'retry', text };
  }
  return readError(text);
}

function readError(text: string): Ack {
  try {
    const { error } = JSON.parse(text) as { error?: { err_code?: number; description?: string } };
    const code = error?.err_code ?? 0;
    const description = error?.description ?? 'unknown';
    if (code === OCCUPIED) {
      return { kind: 'occupied', text: description };
    }
    return RETRYABLE.has(code)
      ? { kind: 'retry', text: description }
      : { kind: 'refused', code, text: description };
  } catch {
    return { kind: 'retry', text: 'unreadable acknowledgement' };
  }
}

/**
 * The light puller: takes messages of a durable pull consumer over one subscription, with a window of pulls that
 * follows how much the owner can hold. Resumes by itself after a reconnect.
 */
import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import { headersOf } from './raw.js';
import { send } from './sender.js';
import { limits } from '../wire/limits.js';

/** What a puller takes from where, and for whom. */
export interface PullerOptions {
  readonly stream: string;
  readonly consumer: string;
  /** A subject of this user's inbox, unique to this puller. */
  readonly inbox: string;
  /** How many more messages the owner can hold now; pulls never ask for more. */
  readonly room: () => number;
  readonly onMessage: (msg: Msg) => void;
}

const EXPIRES_MS = 5_000;
const CHECK_MS = 100;

/** Pulls until stopped. */
export class LightPuller {
  readonly #nc: NatsConnection;
  readonly #o: PullerOptions;
  readonly #sub: Subscription;
  readonly #timer: NodeJS.Timeout;
  readonly #api: string;
  /** Messages asked for and not received yet. */
  #asked = 0;
  #askedUntilMs = 0;
  #stopped = false;
  /** The server refused the last pull for another reason than that nothing is there. */
  #refused = false;

  constructor(nc: NatsConnection, options: PullerOptions) {
    this.#nc = nc;
    this.#o = options;
    this.#api = `$JS.API.CONSUMER.MSG.NEXT.${options.stream}.${options.consumer}`;
    this.#sub = nc.subscribe(options.inbox, {
      callback: (err, msg) => {
        if (err === null) {
          this.#received(msg);
        }
      },
    });
    this.#timer = setInterval(() => this.pull(), CHECK_MS);
    this.#timer.unref();
    this.pull();
  }

  /** Does the server take the pulls? */
  get works(): boolean {
    return !this.#stopped && !this.#refused;
  }

  /** Ask for more if the window is half empty. Cheap; the owner may call it when it has room again. */
  pull(): void {
    if (this.#stopped || this.#nc.isClosed()) {
      return;
    }
    if (performance.now() > this.#askedUntilMs) {
      this.#asked = 0; // the server let the last pull expire, or the connection was lost with it
    }
    const want = Math.min(limits.pullBatch, this.#o.room());
    if (want > 0 && this.#asked <= want / 2) {
      const batch = want - this.#asked;
      this.#asked += batch;
      this.#askedUntilMs = performance.now() + EXPIRES_MS;
      const body = `{"batch":${batch},"expires":${(EXPIRES_MS - 500) * 1_000_000}}`;
      this.#nc.publish(this.#api, body, { reply: this.#o.inbox });
    }
  }

  /** Take nothing more. Messages on their way are left to redelivery. */
  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
    this.#sub.unsubscribe();
  }

  #received(msg: Msg): void {
    if (msg.reply?.startsWith('$JS.ACK.') !== true) {
      const status = headersOf(msg).statusCode;
      if (status !== 100) {
        this.#asked = 0; // 404, 408, 409: this pull has ended
        this.#refused = status !== 404 && status !== 408;
      }
      return;
    }
    this.#asked--;
    this.#refused = false;
    this.#o.onMessage(msg);
    if (this.#asked <= limits.pullBatch / 4) {
      this.pull();
    }
  }
}

/** Where a pulled message came from, read from its acknowledgement subject. */
export interface Delivery {
  /** How many times it was delivered, this one included. */
  readonly deliveries: number;
  readonly streamSeq: number;
  /** Messages behind it. */
  readonly pending: number;
}

/** Read stream sequence and delivery count of a pulled message (subject forms of 9 and of 11 or 12 tokens). */
export function deliveryOf(msg: Msg): Delivery {
  const t = (msg.reply ?? '').split('.');
  const at = t.length >= 11 ? 6 : 4;
  return { deliveries: Number(t[at]), streamSeq: Number(t[at + 1]), pending: Number(t[at + 4]) };
}

/** When the server stored a pulled message: epoch ms, with fractions. */
export function storedAtOf(msg: Msg): number {
  const t = (msg.reply ?? '').split('.');
  return Number(t[t.length >= 11 ? 9 : 7]) / 1e6;
}

const ACK = new TextEncoder().encode('+ACK');
const WORKING = new TextEncoder().encode('+WPI');

/** Acknowledge a pulled message; not confirmed: a lost ack means a redelivery, which the path survives. */
export function ack(nc: NatsConnection, msg: Msg): void {
  send(nc, msg.reply ?? '', ACK);
}

/** Say that a pulled message is still worked on: it does not come back for another acknowledgement time. */
export function working(nc: NatsConnection, msg: Msg): void {
  send(nc, msg.reply ?? '', WORKING);
}

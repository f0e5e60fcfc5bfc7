/**
 * Leases on a key of a bucket with history 1: acquired by create, renewed by a publish that carries the TTL anew
 * (the client's put and update would drop it and make the lease immortal), ended by the server.
 */
import type { NatsConnection } from '@nats-io/transport-node';
import type { BucketName } from '../wire/generated/streams.js';
import { encodeHeaders } from '../wire/headers.js';
import type { LightPublisher } from './publisher.js';
import { openBucket } from './streams.js';

/** One lease that this process tries to hold. */
export class Lease {
  readonly #nc: NatsConnection;
  readonly #pub: LightPublisher;
  readonly #bucket: BucketName;
  readonly #key: string;
  /** What stands there from the next renewal on. */
  value: string;
  readonly #ttlMs: number;
  #revision = 0;
  #heldUntil = 0;

  /** `ttlMs` is a whole number of seconds (the server counts in seconds). */
  constructor(
    nc: NatsConnection,
    pub: LightPublisher,
    bucket: BucketName,
    key: string,
    value: string,
    ttlMs: number,
  ) {
    this.#nc = nc;
    this.#pub = pub;
    this.#bucket = bucket;
    this.#key = key;
    this.value = value;
    this.#ttlMs = ttlMs;
  }

  /** True while this process may believe that it holds the lease (by its own clock, which cannot run ahead). */
  get held(): boolean {
    return performance.now() < this.#heldUntil;
  }

  /** Until when it may believe so (monotonic ms). */
  get heldUntilMs(): number {
    return this.#heldUntil;
  }

  /** Acquire or renew. Call it well within the time-to-live. */
  async keep(): Promise<boolean> {
    const began = performance.now();
    const ok = this.#revision > 0 ? await this.#renew() : await this.#acquire();
    this.#heldUntil = ok ? began + this.#ttlMs : 0;
    return ok;
  }

  /** Give it up. */
  async release(): Promise<void> {
    if (this.held) {
      this.#heldUntil = 0;
      const kv = await openBucket(this.#nc, this.#bucket);
      await kv.purge(this.#key).catch(() => undefined);
    }
    this.#revision = 0;
  }

  async #acquire(): Promise<boolean> {
    try {
      const kv = await openBucket(this.#nc, this.#bucket);
      this.#revision = await kv.create(this.#key, this.value, `${this.#ttlMs / 1000}s`);
      return true;
    } catch {
      return false; // somebody holds it
    }
  }

  async #renew(): Promise<boolean> {
    const headers = encodeHeaders([
      ['Nats-TTL', this.#ttlMs / 1000],
      ['Nats-Expected-Last-Subject-Sequence', this.#revision],
    ]);
    const ack = await this.#pub.publishAsync(
      `$KV.${this.#bucket}.${this.#key}`,
      Buffer.from(this.value),
      headers,
    );
    this.#revision = ack.kind === 'stored' ? ack.seq : 0;
    return ack.kind === 'stored';
  }
}

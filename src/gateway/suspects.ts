/**
 * Suspects: calls that came back because a gateway died with them. They are handled one at a time, each with a
 * durable count of its takes, so that only the call that really crashes gateways is given up, and the innocent ones
 * that were in flight beside it are not (D8).
 */
import type { Core } from './core.js';
import { encodeHeaders } from '../wire/headers.js';
import { limits } from '../wire/limits.js';

const NONE = new Uint8Array(0);

/** One suspect: a redelivered call. */
export interface Suspect {
  /** `from.call`: what is counted is the call, whatever message carries it. */
  readonly key: string;
  /**
   * Handle it; resolves once it is durable or given back. With a promise of that when it only waits for others
   * meanwhile: then it holds nobody up, and its takes are kept until then.
   */
  readonly handle: () => Promise<{ readonly rest: Promise<void> } | undefined>;
  /** It crashed gateways too often. */
  readonly giveUp: (takes: number) => void;
}

/** Handles suspects one after the other. */
export class Suspects {
  readonly #core: Core;
  readonly #queue: Suspect[] = [];
  #busy = false;

  constructor(core: Core) {
    this.#core = core;
  }

  /** Take a suspect. */
  add(suspect: Suspect): void {
    this.#queue.push(suspect);
    if (!this.#busy) {
      this.#busy = true;
      void this.#work();
    }
  }

  async #work(): Promise<void> {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      try {
        await this.#one(next);
      } catch (err) {
        this.#core.log.warn({ call: next.key, err: String(err) }, 'a redelivered call was left to come back');
      }
    }
    this.#busy = false;
  }

  async #one(suspect: Suspect): Promise<void> {
    const key = `$KV.mesh_state.suspect.${suspect.key}`;
    const takes = await this.#takes(key);
    if (takes >= limits.crashTakes) {
      suspect.giveUp(takes);
      return this.#forget(key);
    }
    const ack = await this.#core.pub.publishAsync(key, Buffer.from(String(takes + 1)), encodeHeaders([]));
    if (ack.kind !== 'stored') {
      throw new Error(`its takes could not be counted: ${ack.kind}`);
    }
    const waits = await suspect.handle();
    if (waits === undefined) {
      return this.#forget(key);
    }
    void waits.rest.then(() => this.#forget(key));
  }

  async #takes(key: string): Promise<number> {
    const request = JSON.stringify({ last_by_subj: key });
    const msg = await this.#core.nc.request('$JS.API.DIRECT.GET.KV_mesh_state', request, { timeout: 2_000 });
    const takes = Number(msg.string());
    return Number.isInteger(takes) ? takes : 0;
  }

  #forget(key: string): void {
    const headers = encodeHeaders([
      ['KV-Operation', 'PURGE'],
      ['Nats-Rollup', 'sub'],
      ['Nats-TTL', '60'],
    ]);
    this.#core.pub.publish(key, NONE, headers, () => undefined);
  }
}

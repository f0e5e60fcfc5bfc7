/**
 * Slots of limits are free again soon after the connection of the gateway that held them is gone: not before nobody can
 * use them any more, and long before their leases are over.
 */
import { isConnected } from '../fabric/kick.js';
import { headersOf } from '../fabric/raw.js';
import { steadyWatch } from '../fabric/steady-watch.js';
import { openBucket } from '../fabric/streams.js';
import { readHolder, type Holder } from '../domain/rate/holder.js';
import { parse, pattern } from '../wire/generated/subjects.js';
import { header } from '../wire/headers.js';
import { limits } from '../wire/limits.js';
import type { Control } from './core.js';

const TICK_MS = 250;
/** A gateway that was heard within this is there, and nobody asks for its connection. */
const QUIET_MS = 650;

interface Held {
  readonly key: string;
  readonly by: string;
  readonly revision: number;
}

/** Begin to look after them, while this process leads. Returns how to stop. */
export async function freeSlots(control: Control): Promise<() => void> {
  const held = new Map<string, Held>();
  const heardMs = new Map<string, number>();
  const watch = await steadyWatch(control.nc, 'mesh_rate', 'slot.*', (key, message) => {
    if (message === undefined) {
      held.delete(key);
    } else {
      held.set(key, { key, by: message.string(), revision: message.seq });
    }
  });
  const beats = control.nc.subscribe(pattern.peer, {
    callback: (err, msg) => {
      const gateway = err === null ? parse.peer(msg.subject)?.gateway : undefined;
      if (gateway !== undefined && headersOf(msg).get(header.instance) === gateway) {
        heardMs.set(gateway, performance.now());
      }
    },
  });
  const rounds = new Rounds(control, held, heardMs);
  const timer = setInterval(() => void rounds.look(), TICK_MS);
  return () => {
    clearInterval(timer);
    beats.unsubscribe();
    watch.stop();
  };
}

/** Looks at who holds slots again and again. */
class Rounds {
  readonly #control: Control;
  readonly #held: ReadonlyMap<string, Held>;
  readonly #heardMs: Map<string, number>;
  /** When each holder was seen to be gone first. */
  readonly #goneMs = new Map<string, number>();
  #busy = false;

  constructor(control: Control, held: ReadonlyMap<string, Held>, heardMs: Map<string, number>) {
    this.#control = control;
    this.#held = held;
    this.#heardMs = heardMs;
  }

  async look(): Promise<void> {
    if (this.#busy) {
      return;
    }
    this.#busy = true;
    try {
      await this.#round();
    } catch (err) {
      this.#control.log.warn({ err: String(err) }, 'slots of limits could not be looked after, trying again');
    } finally {
      this.#busy = false;
    }
  }

  async #round(): Promise<void> {
    const holders = new Set(this.#control.leads() ? [...this.#held.values()].map(({ by }) => by) : []);
    this.#goneMs.forEach((_ms, by) => holders.has(by) || this.#goneMs.delete(by));
    this.#heardMs.forEach((ms, gateway) => this.#isQuiet(ms) && this.#heardMs.delete(gateway));
    for (const by of holders) {
      const holder = readHolder(by);
      if (holder !== undefined) {
        await this.#lookAt(by, holder);
      }
    }
  }

  async #lookAt(by: string, { gateway, server, client }: Holder): Promise<void> {
    if (this.#heardMs.has(gateway) || (await isConnected(this.#control.nc, server, client))) {
      this.#goneMs.delete(by);
      return;
    }
    const sinceMs = this.#goneMs.get(by) ?? performance.now();
    this.#goneMs.set(by, sinceMs);
    if (performance.now() - sinceMs >= limits.slotRestMs) {
      await this.#free(gateway, by);
    }
  }

  /** Only as it was seen: whoever is back on another connection has written anew. */
  async #free(gateway: string, by: string): Promise<void> {
    const all = [...this.#held.values()].filter((one) => one.by === by);
    const kv = await openBucket(this.#control.nc, 'mesh_rate');
    await Promise.all(
      all.map(({ key, revision }) => kv.delete(key, { previousSeq: revision }).catch(() => undefined)),
    );
    this.#control.log.info({ gateway, slots: all.length }, 'slots of a gateway that is gone are free');
  }

  #isQuiet(ms: number): boolean {
    return performance.now() - ms > QUIET_MS;
  }
}

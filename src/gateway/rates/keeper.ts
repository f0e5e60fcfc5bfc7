/**
 * Keeping slots: a gateway holds its part of them by leases, gives up what is too much when another one comes, and
 * takes what is free. Nobody is asked: who is there is heard by the beats of gateways.
 *
 * It uses them only while it is sure that they are its own: the server has answered it a moment ago, on the connection
 * on which it has said that it holds them. Control frees what stands there for a connection that is gone.
 */
import { Lease } from '../../fabric/lease.js';
import { steadyWatch, type SteadyWatch } from '../../fabric/steady-watch.js';
import { holderText } from '../../domain/rate/holder.js';
import { fairSlots, SLOTS } from '../../domain/rate/slots.js';
import type { RateBook } from '../../domain/rate/book.js';
import { limits } from '../../wire/limits.js';
import type { Voice } from './voice.js';

const TICK_MS = 250;
const RENEW_MS = 1_500;
/** Calls in flight keep a slot from being given up no longer than this. */
const PATIENCE_MS = 5_000;

/** Keeps the slots of this gateway. */
export class SlotKeeper {
  readonly #core: Voice;
  readonly #book: RateBook;
  readonly #gateways: () => readonly string[];
  readonly #leases = new Map<number, Lease>();
  /** Slots that somebody holds, by what the bucket says; and since when nobody does. */
  readonly #taken = new Map<number, string>();
  readonly #freeSinceMs = new Map<number, number>();
  #watch: SteadyWatch | undefined;
  #timer: NodeJS.Timeout | undefined;
  #busy = false;
  #renewedMs = 0;
  #tooManySinceMs: number | undefined;
  #connected = true;
  /** Its connection was cut, and it was not sure for longer than this; until its leases are renewed on another one. */
  #cutMs: number | undefined;

  /** `gateways`: the others that are there. */
  constructor(core: Voice, book: RateBook, gateways: () => readonly string[]) {
    this.#core = core;
    this.#book = book;
    this.#gateways = gateways;
  }

  /** Begin. Resolves when it has tried once to have its part. */
  async start(): Promise<void> {
    this.#watch = await steadyWatch(this.#core.nc, 'mesh_rate', 'slot.*', (key, message) => {
      const slot = Number(key.slice('slot.'.length));
      if (message === undefined) {
        this.#taken.delete(slot);
        this.#freeSinceMs.set(slot, performance.now());
      } else {
        this.#taken.set(slot, message.string());
      }
    });
    this.#book.slots.sureUntilMs = () => this.#cutMs ?? this.#core.confirmedMs + limits.slotSureMs;
    void this.#follow();
    await this.#tick();
    this.#timer = setInterval(() => void this.#tick(), TICK_MS);
  }

  /** Give all of them up. What is lent is used by others yet: then their leases run out by themselves. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#watch?.stop();
    const leases = [...this.#leases];
    this.#leases.clear();
    const lends = this.#book.lendsMore(0, performance.now());
    await Promise.all(leases.map(([slot, lease]) => this.#giveUp(slot, lends ? undefined : lease)));
  }

  async #tick(): Promise<void> {
    if (this.#busy || !this.#connected || this.#core.nc.isClosed()) {
      return;
    }
    this.#busy = true;
    try {
      const want = fairSlots(this.#core.name, this.#gateways());
      this.#book.slots.wanted = want;
      await this.#renew();
      await (this.#leases.size > want ? this.#shrink(want) : this.#grow(want));
    } catch (err) {
      this.#core.log.warn({ err: String(err) }, 'the part of the limits could not be kept; trying again');
    } finally {
      this.#busy = false;
    }
  }

  async #renew(): Promise<void> {
    const nowMs = performance.now();
    if (nowMs - this.#renewedMs < RENEW_MS) {
      return;
    }
    this.#renewedMs = nowMs;
    const by = this.#holder();
    await Promise.all(
      [...this.#leases].map(async ([slot, lease]) => {
        lease.value = by;
        const held = lease.held && (await lease.keep());
        if (held) {
          this.#book.slots.renew(slot, lease.heldUntilMs);
        } else {
          this.#leases.delete(slot);
          this.#book.lose(slot, performance.now(), Date.now());
        }
      }),
    );
    if (this.#connected && by === this.#holder()) {
      this.#cutMs = undefined; // whatever it holds now stands there for this connection
    }
  }

  #holder(): string {
    const { info } = this.#core.nc;
    const { server_id: server = '', client_id: client = 0 } = info ?? {};
    return holderText({ gateway: this.#core.name, server, client });
  }

  async #follow(): Promise<void> {
    for await (const { type } of this.#core.nc.status()) {
      if (type === 'disconnect') {
        this.#connected = false;
        this.#cutMs = Math.min(performance.now(), this.#book.slots.sureUntilMs());
      } else if (type === 'reconnect') {
        this.#connected = true;
        this.#renewedMs = -Infinity;
      }
    }
  }

  /** First it is not used any more, then it is given up: in between nobody has it. */
  async #shrink(want: number): Promise<void> {
    const nowMs = performance.now();
    this.#tooManySinceMs ??= nowMs;
    const units = (want * this.#book.whole) / SLOTS;
    const patient = nowMs - this.#tooManySinceMs < PATIENCE_MS;
    if (this.#book.lendsMore(units, nowMs) || (patient && !this.#book.fits(units, nowMs))) {
      return;
    }
    const out = [...this.#leases].slice(want);
    for (const [slot, lease] of out) {
      this.#leases.delete(slot);
      await this.#giveUp(slot, lease);
    }
    this.#tooManySinceMs = undefined;
  }

  async #giveUp(slot: number, lease: Lease | undefined): Promise<void> {
    this.#book.lose(slot, performance.now(), Date.now());
    await lease?.release();
  }

  async #grow(want: number): Promise<void> {
    this.#tooManySinceMs = undefined;
    const free = Array.from({ length: SLOTS }, (_, slot) => slot).filter(
      (slot) => !this.#leases.has(slot) && !this.#taken.has(slot),
    );
    // Two that come at once should not run after the same ones.
    const from = Math.floor(Math.random() * free.length);
    const wanted = [...free.slice(from), ...free.slice(0, from)].slice(0, want - this.#leases.size);
    await Promise.all(
      wanted.map(async (slot) => {
        const { nc, pub } = this.#core;
        const by = this.#holder();
        const lease = new Lease(nc, pub, 'mesh_rate', `slot.${slot}`, by, limits.slotLeaseMs);
        const freeSinceMs = this.#freeSinceMs.get(slot);
        if (await lease.keep()) {
          const nowMs = performance.now();
          const restedMs = freeSinceMs === undefined ? Infinity : nowMs - freeSinceMs;
          this.#leases.set(slot, lease);
          this.#book.slots.gain(slot, restedMs, lease.heldUntilMs, nowMs, Date.now());
        }
      }),
    );
  }
}

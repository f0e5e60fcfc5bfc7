/**
 * The supervisor: when a gateway's lease lapses, it finds the decisions that gateway left open and hands them to a
 * living one; it moves the low-water mark and purges what is settled below it.
 *
 * While a gateway lives it keeps the timers of its own calls, so nothing of a healthy call passes through here.
 */
import type { Msg } from '../fabric/connection.js';
import { headersOf } from '../fabric/raw.js';
import { parse, pattern } from '../wire/generated/subjects.js';
import type { OpenQuery, OpenReply, Peer } from '../wire/generated/messages.js';
import { header } from '../wire/headers.js';
import { limits } from '../wire/limits.js';
import type { Control } from './core.js';
import { LowWater } from './low-water.js';
import { findOrphans, handOver } from './orphans.js';
import { Parked } from './parked.js';

const TICK_MS = 250;

/** One gateway as the supervisor sees it. */
interface Known {
  lowWater: number;
  lastSeenMs: number;
  readonly peer: Peer;
}

/** Watches over gateways; acts only while it leads. */
export class Supervisor {
  readonly #control: Control;
  readonly #gateways = new Map<string, Known>();
  /** Lapsed gateways whose decisions are not handed over yet, with where to begin to look. */
  readonly #lapsed = new Map<string, number>();
  readonly #lowWater: LowWater;
  readonly #parked: Parked;
  readonly #subs: { unsubscribe(): void }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #leading = false;
  #busy = false;
  #lastTickMs = Date.now();

  constructor(control: Control) {
    this.#control = control;
    this.#lowWater = new LowWater(control);
    this.#parked = new Parked(control);
  }

  /** Sequences of DECISIONS from which on others need them. */
  alsoNeeded: () => readonly number[] = () => [];

  /** Begin to listen; duties start when the process is elected. */
  start(): void {
    const { nc } = this.#control;
    this.#subs.push(
      nc.subscribe(pattern.peer, { callback: (err, msg) => (err === null ? this.#heard(msg) : undefined) }),
      nc.subscribe(pattern.open, { callback: (err, msg) => (err === null ? this.#answer(msg) : undefined) }),
    );
    this.#timer = setInterval(() => void this.#tick(), TICK_MS);
  }

  /** Stop. */
  stop(): void {
    clearInterval(this.#timer);
    this.#subs.forEach((s) => s.unsubscribe());
    this.#parked.stop();
  }

  /** Parked calls, for views. */
  get parked(): Parked {
    return this.#parked;
  }

  /** Live gateways, for views. */
  gateways(): { gateway: string; peer: Peer }[] {
    return [...this.#gateways].map(([gateway, k]) => ({ gateway, peer: k.peer }));
  }

  #heard(msg: Msg): void {
    const p = parse.peer(msg.subject);
    if (p === undefined || headersOf(msg).get(header.instance) !== p.gateway) {
      return;
    }
    const peer = msg.json<Peer>();
    this.#gateways.set(p.gateway, { peer, lowWater: peer.lowWater, lastSeenMs: Date.now() });
  }

  async #tick(): Promise<void> {
    if (this.#busy) {
      return;
    }
    this.#busy = true;
    try {
      const now = Date.now();
      if (now - this.#lastTickMs > limits.leaseMs) {
        this.#gateways.forEach((g) => (g.lastSeenMs = now)); // we were paused, not they
      }
      this.#lastTickMs = now;
      this.#lapse(now);
      if (this.#control.leads()) {
        await this.#lead();
      } else if (this.#leading) {
        this.#leading = false;
        this.#parked.stop();
      }
    } catch (err) {
      this.#control.log.warn({ err: String(err) }, 'the supervisor will try again');
    } finally {
      this.#busy = false;
    }
  }

  #lapse(now: number): void {
    for (const [gateway, known] of this.#gateways) {
      if (now - known.lastSeenMs > limits.leaseMs) {
        this.#gateways.delete(gateway);
        // It may have died right after an adoption, before it told that its mark went down.
        this.#lapsed.set(gateway, Math.min(known.lowWater, this.#lowWater.pinned));
        this.#control.log.warn({ gateway, lowWater: known.lowWater }, 'a gateway lapsed');
      }
    }
  }

  async #lead(): Promise<void> {
    if (!this.#leading) {
      // Whatever lies above the mark and belongs to nobody alive is looked at, also from before our time.
      this.#lapsed.set('before', await this.#lowWater.load());
      await this.#parked.start();
      this.#leading = true;
    }
    if (this.#lapsed.size > 0 && this.#gateways.size > 0) {
      await this.#recover();
    }
    const marks = [...this.#gateways.values()].map((g) => g.lowWater);
    const needed = [...marks, ...this.#lapsed.values(), ...this.alsoNeeded()];
    await this.#lowWater.move(needed, this.#gateways.size > 0);
  }

  /** Hand over what lapsed gateways left. They stay on the list until everything of theirs is in other hands. */
  async #recover(): Promise<void> {
    const began = [...this.#lapsed];
    const from = Math.min(...began.map(([, low]) => low));
    const alive = new Set(this.#gateways.keys());
    const orphans = await findOrphans(this.#control, from, alive);
    this.#lowWater.pin(from); // until the heirs have told their own marks
    await handOver(this.#control, orphans, began.map(([g]) => g).join(','));
    if (began.length > 0 && orphans.length > 0) {
      this.#control.log.info({ decisions: orphans.length }, 'open decisions were handed over');
      this.#lowWater.pin(from);
    }
    for (const [gateway] of began) {
      this.#lapsed.delete(gateway);
    }
  }

  /** Who holds a call: control knows the parked ones, who must answer, and whether the lapsed were scanned. */
  #answer(msg: Msg): void {
    if (headersOf(msg).empty || msg.reply === undefined || !this.#leading) {
      return;
    }
    const query = msg.json<OpenQuery>();
    const reply: OpenReply = {
      who: 'control',
      open: false,
      parked: query.call !== undefined && this.#parked.get(`${query.from}.${query.call}`) !== undefined,
      gateways: [...this.#gateways.keys()],
      settled: this.#lapsed.size === 0,
    };
    this.#control.nc.publish(msg.reply, JSON.stringify(reply));
  }
}

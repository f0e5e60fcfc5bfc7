/**
 * Slots: sixteenths of every limit of the mesh. Each is held by one gateway at most, by a lease; so the shares of all
 * gateways come to one at most, without a word between them about any limit, and a name that was never seen has a
 * share everywhere at once.
 */
import { limits } from '../../wire/limits.js';
import { WHOLE } from './loans.js';

/** A share of one's own, in units of WHOLE. Times are monotonic ms. */
export interface Base {
  units(nowMs: number): number;
  /** What of it may be lent: not what is about to be given up. */
  toLend(nowMs: number): number;
  /** Nobody else has it until then, whatever happens here. */
  untilMs(nowMs: number): number;
}

/** How many there are. */
export const SLOTS = 16;
const UNIT = WHOLE / SLOTS;
/** By so much the clocks of gateways may differ. */
const CLOCKS_MS = 1_000;

interface Held {
  /** Monotonic: held until then, unless it is renewed; since when; and how long nobody held it before. */
  untilMs: number;
  readonly sinceMs: number;
  readonly restedMs: number;
  /** Epoch ms. */
  readonly fromMs: number;
}

/** For trees of calls that were born between these instants it holds this one. */
interface Past {
  readonly slot: number;
  readonly fromMs: number;
  readonly toMs: number;
}

/** The slots of one gateway: its share of what flows, and of what is there at once. */
export class Slots implements Base {
  /** So many of them it should hold: what is beyond is given up as soon as nothing of it is lent. */
  wanted = SLOTS;
  /** Until then (monotonic ms) this gateway is sure that its leases stand. */
  sureUntilMs: () => number = () => Infinity;
  readonly #held = new Map<number, Held>();
  #past: Past[] = [];

  /** Those it holds, by its last word. */
  get all(): number[] {
    return [...this.#held.keys()];
  }

  /** It holds this one from now on. `restedMs`: how long nobody did. */
  gain(slot: number, restedMs: number, untilMs: number, nowMs: number, wallMs: number): void {
    this.#held.set(slot, { untilMs, sinceMs: nowMs, restedMs, fromMs: birthsFrom(restedMs, wallMs) });
  }

  /** Its lease was renewed. */
  renew(slot: number, untilMs: number): void {
    const held = this.#held.get(slot);
    if (held !== undefined) {
      held.untilMs = untilMs;
    }
  }

  /** It does not hold it any more; it may have known that late. */
  lose(slot: number, nowMs: number, wallMs: number): void {
    const held = this.#held.get(slot);
    this.#held.delete(slot);
    if (held !== undefined) {
      const lateMs = Math.max(0, nowMs - Math.min(held.untilMs, this.sureUntilMs()));
      this.#past.push({ slot, fromMs: held.fromMs, toMs: wallMs - lateMs + limits.clockSkewMs });
      this.#past = this.#past.filter((one) => wallMs - one.toMs < limits.lifeMaxMs);
    }
  }

  /** The share of everything, in units of WHOLE. */
  units(nowMs: number): number {
    let units = 0;
    for (const held of this.#held.values()) {
      units += this.#stands(held, nowMs) ? UNIT : 0;
    }
    return units;
  }

  /** Units that stay. */
  toLend(nowMs: number): number {
    return Math.min(this.units(nowMs), this.wanted * UNIT);
  }

  /** When the first of the leases ends, unless it is renewed. */
  untilMs(nowMs: number): number {
    let first = Infinity;
    for (const { untilMs } of this.#held.values()) {
      first = untilMs > nowMs ? Math.min(first, untilMs) : first;
    }
    return first;
  }

  /** The share of what is counted for good in a tree that was born then. */
  ofTree(bornMs: number): Base {
    const units = (nowMs: number) => this.#unitsOfTree(bornMs, nowMs);
    return { units, toLend: units, untilMs: () => Infinity };
  }

  /**
   * The share of what is counted for good in a tree of calls: it goes by the birth of the tree, so that a gateway that
   * comes or goes meanwhile neither brings nor takes any. What a gateway that died held of it is lost.
   */
  #unitsOfTree(bornMs: number, nowMs: number): number {
    let units = 0;
    for (const held of this.#held.values()) {
      units += bornMs >= held.fromMs && this.#stands(held, nowMs) ? UNIT : 0;
    }
    for (const { fromMs, toMs } of this.#past) {
      units += bornMs >= fromMs && bornMs < toMs ? UNIT : 0;
    }
    return units;
  }

  /** What a bucket that was never seen begins with: who held a slot before may have emptied its part of it. */
  tokens(size: number, perMs: number, nowMs: number): number {
    let tokens = 0;
    for (const held of this.#held.values()) {
      const forMs = nowMs - held.sinceMs + held.restedMs;
      tokens += this.#stands(held, nowMs) ? Math.min(size, forMs * perMs) / SLOTS : 0;
    }
    return tokens;
  }

  #stands({ untilMs }: Held, nowMs: number): boolean {
    return untilMs > nowMs && this.sureUntilMs() > nowMs;
  }
}

/**
 * From which births on a slot is held for trees. A tree may say that it is born so much later than it is: that long the
 * one before has it, and a second more, in which clocks may differ.
 */
function birthsFrom(restedMs: number, wallMs: number): number {
  const fresh = restedMs >= 2 * limits.clockSkewMs;
  return fresh ? wallMs - limits.clockSkewMs : wallMs + limits.clockSkewMs + CLOCKS_MS;
}

/** How many of them one of these gateways should hold. */
export function fairSlots(name: string, gateways: readonly string[]): number {
  const all = [...new Set([name, ...gateways])].toSorted();
  return Math.floor(SLOTS / all.length) + (all.indexOf(name) < SLOTS % all.length ? 1 : 0);
}

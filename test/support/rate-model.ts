/**
 * Several gateways with their books, in a time of their own: slots change hands, gateways die and pause, messages are
 * late or lost. What was let in is held against the limit.
 */
import { RateBook, type RateFacts } from '../../src/domain/rate/book.js';
import { Gauge, type AnyAccount } from '../../src/domain/rate/account.js';
import { compileLimits, type Limit, type LimitData } from '../../src/domain/rate/limits.js';
import { WHOLE } from '../../src/domain/rate/loans.js';
import { Slots, SLOTS } from '../../src/domain/rate/slots.js';
import { birthOf, newCallId } from '../../src/wire/ulid.js';

/** Chance by a tape of numbers in [0, 1), which a test may shrink. */
export type Chance = () => number;

/** How hard it is. */
export interface Weather {
  readonly gateways: number;
  /** Attempts per gateway and step, each with a chance of this. */
  readonly demand: readonly number[];
  /** Share of messages that are lost, and how late others are at most, in ms. */
  readonly lost: number;
  readonly lateMs: number;
  /** Chance per step that a slot changes hands, or a gateway pauses. */
  readonly moves: number;
  readonly pauses: number;
  /** Calls that are in flight last at most so long. */
  readonly lastMs: number;
  /** The first gateway dies then, and its slots are the second one's so long after it. */
  readonly death?: { readonly atMs: number; readonly restMs: number };
}

/** What happened. */
export interface Seen {
  /** When each was let in, in ms. */
  readonly admitted: readonly number[];
  readonly mostInFlight: number;
}

const STEP_MS = 5;
const TREE = newCallId();
const WALL = birthOf(TREE);
export const FACTS: RateFacts = {
  principal: 'me',
  caller: 'me',
  capability: 'a.b',
  root: `me.${TREE}`,
  parent: `me.${TREE}`,
  depth: 2,
};

/** The one limit of a text. Throws when it is wrong. */
export function limitOf(data: LimitData): Limit {
  const [limit] = compileLimits({ it: data }, (where, why) => {
    throw new Error(`${where}: ${why}`);
  });
  return limit as Limit;
}

/** Run for so long. `makeBook`: how to make one, so that a bug can be planted. */
export function run(
  limit: Limit,
  weather: Weather,
  forMs: number,
  chance: Chance,
  makeBook: (slots: Slots) => RateBook = (slots) => new RateBook(slots),
): Seen {
  const names = Array.from({ length: weather.gateways }, (_, n) => `gw-${n}`);
  const gateways = names.map((name) => {
    const book = makeBook(new Slots());
    book.limits = [limit];
    return { name, book, pausedUntil: -1, askedMs: -Infinity, known: undefined as AnyAccount | undefined };
  });
  type Gateway = (typeof gateways)[number];
  const owner: (Gateway | undefined)[] = [];
  for (let slot = 0; slot < SLOTS; slot++) {
    const first = gateways[slot % gateways.length] as Gateway;
    owner[slot] = first;
    first.book.slots.gain(slot, Infinity, Infinity, 0, WALL);
  }
  const later: { atMs: number; run: (nowMs: number) => void }[] = [];
  const admitted: number[] = [];
  let moving: readonly [slot: number, to: Gateway] | undefined;
  let inFlight = 0;
  let mostInFlight = 0;
  const arrivedMs = new Map<string, number>();
  // A server gives what one connection says to another one in the order in which it was said.
  const send = (from: Gateway, to: Gateway, nowMs: number, act: (atMs: number) => void): void => {
    if (chance() >= weather.lost) {
      const way = `${from.name} ${to.name}`;
      const atMs = Math.max(arrivedMs.get(way) ?? 0, nowMs + Math.ceil(chance() * weather.lateMs));
      arrivedMs.set(way, atMs);
      later.push({ atMs, run: act });
    }
  };
  const ask = (from: Gateway, nowMs: number, short: AnyAccount | undefined): void => {
    if (short === undefined || nowMs - from.askedMs < 50) {
      return;
    }
    from.askedMs = nowMs;
    const need = short.needs(nowMs);
    for (const to of gateways) {
      if (to !== from) {
        send(from, to, nowMs, (atMs) => {
          const answer =
            to.pausedUntil === Infinity
              ? undefined
              : to.book.account(short.key, atMs)?.answer(from.name, to.name, need, atMs);
          if (answer !== undefined) {
            send(to, from, atMs, (backMs) => short.hear(to.name, answer, nowMs, backMs));
          }
        });
      }
    }
  };
  for (let nowMs = 0; nowMs < forMs; nowMs += STEP_MS) {
    for (const one of later.splice(0)) {
      if (one.atMs <= nowMs) {
        one.run(nowMs);
      } else {
        later.push(one);
      }
    }
    if (weather.death?.atMs === nowMs) {
      gateways.slice(0, 1).forEach((dead) => (dead.pausedUntil = Infinity));
    }
    if (weather.death !== undefined && weather.death.atMs + weather.death.restMs === nowMs) {
      const [dead, heir] = gateways as [Gateway, Gateway];
      for (const slot of owner.keys()) {
        if (owner[slot] === dead) {
          owner[slot] = heir;
          heir.book.slots.gain(slot, 0, Infinity, nowMs, WALL + nowMs);
        }
      }
    }
    if (chance() < weather.moves) {
      moving ??= [Math.floor(chance() * SLOTS), gateways[Math.floor(chance() * gateways.length)] as Gateway];
    }
    if (moving !== undefined) {
      const [slot, to] = moving;
      const from = owner[slot] as Gateway;
      const { slots } = from.book;
      slots.wanted = slots.all.length - 1;
      if (from.pausedUntil <= nowMs && !from.book.lendsMore((slots.wanted * WHOLE) / SLOTS, nowMs)) {
        from.book.lose(slot, nowMs, WALL + nowMs); // first it is not used any more
        owner[slot] = to;
        to.book.slots.gain(slot, 0, Infinity, nowMs, WALL + nowMs);
        moving = undefined;
      }
      slots.wanted = moving === undefined ? SLOTS : slots.wanted;
    }
    gateways.forEach((gateway, n) => {
      if (gateway.pausedUntil > nowMs) {
        return;
      }
      const account = gateway.known;
      if (
        nowMs - gateway.askedMs > 400 &&
        account?.inUse(nowMs) === true &&
        account.loans?.lenders(nowMs).length
      ) {
        ask(gateway, nowMs, account); // what is used is borrowed again before its time is over
      }
      if (chance() < weather.pauses) {
        gateway.pausedUntil = nowMs + chance() * 3_000;
        return;
      }
      for (let k = weather.demand[n % weather.demand.length] ?? 1; k > 0; k--) {
        if (chance() < k) {
          const { accounts, misfit } = gateway.book.look(FACTS, nowMs);
          gateway.known = accounts[0];
          if (misfit !== undefined) {
            accounts.forEach((account) => (account.wantedMs = nowMs));
            ask(gateway, nowMs, misfit.account);
            break;
          }
          accounts.forEach((account) => account.take(nowMs));
          admitted.push(nowMs);
          mostInFlight = Math.max(mostInFlight, ++inFlight);
          const atMs = nowMs + STEP_MS + Math.floor(chance() * weather.lastMs);
          const end = () => {
            inFlight--;
            accounts.forEach((account) =>
              account instanceof Gauge && !account.forGood ? account.giveBack() : undefined,
            );
          };
          later.push({ atMs, run: end });
        }
      }
    });
  }
  return { admitted, mostInFlight };
}

/** By how much the worst window is beyond burst + rate × time; 0 or less is fine. */
export function beyond(admitted: readonly number[], burst: number, perMs: number): number {
  let tokens = burst;
  let last = 0;
  let worst = -Infinity;
  for (const at of admitted) {
    tokens = Math.min(burst, tokens + (at - last) * perMs) - 1;
    last = at;
    worst = Math.max(worst, -tokens);
  }
  return worst;
}

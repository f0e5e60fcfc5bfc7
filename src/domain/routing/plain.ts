/**
 * Choosing by nothing but who is free: in turn, or the less loaded of two chosen in turn.
 */
import { isFree, isFull, type Instance } from '../roster.js';

/** Instances in turn. */
export interface Turns {
  readonly instances: readonly Instance[];
  next: number;
}

/** What a choice is for. */
export interface Asked {
  readonly capability: string;
  readonly nowMs: number;
  /** Who may get it; undefined: everybody. */
  readonly suits: ((instance: Instance) => boolean) | undefined;
  /** Taken only when nobody else is free. */
  readonly avoid: Instance | undefined;
}

/** How many are looked at for one that does not say it is full. */
const LOOKS = 8;

/** May the instance get it now? */
export function takes(one: Instance, { capability, nowMs, suits }: Asked): boolean {
  return isFree(one, capability, nowMs) && suits?.(one) !== false;
}

/** The next that is free; at most so many are looked at. One that says it is full gets it when no other does. */
export function inTurn(turns: Turns, asked: Asked, most = Infinity): Instance | undefined {
  const n = turns.instances.length;
  let full: number | undefined;
  for (let i = 0; i < n && i < most; i++) {
    const at = (turns.next + i) % n;
    const one = turns.instances[at];
    if (one !== undefined && one !== asked.avoid && takes(one, asked)) {
      if (!isFull(one)) {
        turns.next = at + 1;
        return one;
      }
      full ??= at;
      if (i >= LOOKS) {
        break;
      }
    }
  }
  if (full === undefined) {
    return undefined;
  }
  turns.next = full + 1;
  return turns.instances[full];
}

/**
 * The less loaded of two neighbours in turn: nearly as even as looking at all, at a constant cost. The turn moves on by
 * one, so that without load it goes round.
 */
export function lessLoaded(turns: Turns, asked: Asked, most = Infinity): Instance | undefined {
  const one = inTurn(turns, asked, most);
  const { next } = turns;
  const other = one === undefined ? undefined : inTurn(turns, asked, most);
  turns.next = next;
  return one !== undefined && other !== undefined && load(other) < load(one) ? other : one;
}

function load({ inFlight, elsewhere, concurrency }: Instance): number {
  return (inFlight + elsewhere) / concurrency;
}

/**
 * Who may still queue when room is short: a lane may be as long as a share of the room that is left. So one caller
 * takes half of it at most, the next a half of the rest, and there is always some for who comes next; and the lower
 * the priority the earlier it is turned away.
 */
import type { Priority } from '../../wire/priority.js';

const SHARE: Readonly<Record<Priority, number>> = {
  critical: 2,
  normal: 1,
  experimental: 0.25,
  batch: 0.25,
};

/** A room and one lane in it, in one unit: calls, or bytes. */
export interface Room {
  /** What this lane has in it. */
  readonly lane: number;
  /** What all have. */
  readonly used: number;
  /** What fits. */
  readonly bound: number;
}

/** May this lane become longer? */
export function hasRoom(priority: Priority, { lane, used, bound }: Room): boolean {
  return lane < SHARE[priority] * (bound - used);
}

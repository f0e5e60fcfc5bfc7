/**
 * Turns before the chain. A gateway takes more calls than it works on at once; while there are more, callers take turns,
 * so that one who sends much waits for itself. Whoever has too much in the queue is told at once when to come again.
 */
import { Lanes } from '../domain/rate/lanes.js';
import { hasRoom } from '../domain/rate/room.js';
import { limits } from '../wire/limits.js';
import type { Priority } from '../wire/priority.js';
import type { Wait } from './queues.js';

/** A call that wants a turn. */
export interface Turn {
  readonly from: string;
  readonly capability: string;
  readonly priority: Priority;
  readonly bytes: number;
  /** Its turn has come; `over` says that the next one may come, once or more often. */
  run(over: () => void): void;
  /** There is no room: it may have a chance after so many milliseconds. */
  shed(retryAfterMs: number): void;
}

interface Queued extends Turn {
  readonly sinceMs: number;
}

const RETRY_MIN_MS = 100;

/** Gives turns. */
export class Turns {
  readonly #lanes = new Lanes<Queued>();
  readonly #laneLimit: (from: string) => number;
  #busy = 0;
  #bytes = 0;
  #draining = false;
  /** Calls turned away since the start, by priority. */
  readonly shed = new Map<Priority, number>();

  /** `laneLimit`: how long the queue of a caller may be at most. */
  constructor(laneLimit: (from: string) => number) {
    this.#laneLimit = laneLimit;
  }

  /** Calls that wait for their turn. */
  get size(): number {
    return this.#lanes.size;
  }

  /** What waits for its turn, and for how long (ms). */
  *waits(): Iterable<Wait> {
    const nowMs = performance.now();
    for (const [priority, { capability, sinceMs }] of this.#lanes.all()) {
      yield { capability, priority, waitedMs: nowMs - sinceMs };
    }
  }

  /** Lanes with somebody in them. */
  get lanes(): number {
    return this.#lanes.count;
  }

  /** Have a turn: now, later, or not at all. */
  enter(turn: Turn): void {
    if (this.#lanes.size === 0 && this.#busy < limits.turnsAtOnce) {
      return this.#run(turn);
    }
    const sinceMs = performance.now();
    const retryAfterMs = this.#whyNot(turn, sinceMs);
    if (retryAfterMs !== undefined) {
      this.shed.set(turn.priority, (this.shed.get(turn.priority) ?? 0) + 1);
      return turn.shed(retryAfterMs);
    }
    this.#bytes += turn.bytes;
    this.#lanes.push(turn.priority, turn.from, Object.assign(turn, { sinceMs }));
  }

  /** Undefined when there is room for it, else when there may be: as long as the first of its lane has waited. */
  #whyNot({ priority, from }: Turn, nowMs: number): number | undefined {
    const lane = this.#lanes.lane(priority, from);
    const oldest = lane[0];
    const waitedMs = oldest === undefined ? 0 : nowMs - oldest.sinceMs;
    const room = { lane: lane.length, used: this.#lanes.size, bound: limits.turnsQueued };
    const fits =
      hasRoom(priority, room) &&
      this.#bytes < limits.turnsBytes &&
      lane.length < this.#laneLimit(from) &&
      waitedMs < limits.turnWaitMs;
    return fits ? undefined : Math.max(RETRY_MIN_MS, Math.ceil(waitedMs));
  }

  #run(turn: Turn): void {
    this.#busy++;
    let going = true;
    turn.run(() => {
      if (going) {
        going = false;
        this.#busy--;
        this.#drain();
      }
    });
  }

  /** One loop, however many turns are over at once. */
  #drain(): void {
    if (this.#draining) {
      return;
    }
    this.#draining = true;
    while (this.#busy < limits.turnsAtOnce) {
      const turn = this.#lanes.next();
      if (turn === undefined) {
        break;
      }
      this.#bytes -= turn.bytes;
      this.#run(turn);
    }
    this.#draining = false;
  }
}

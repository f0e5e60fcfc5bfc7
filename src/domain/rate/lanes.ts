/**
 * A queue that is fair: whoever puts much into it waits for itself and not in front of others. Each caller has a lane
 * for each priority. Priorities take turns by weight, so that none starves; within one, callers take turns one by one.
 */
import { priorityNames, type Priority } from '../../wire/priority.js';

/** Of 27 turns while all of them wait, so many are of each. */
const WEIGHT: Readonly<Record<Priority, number>> = { critical: 16, normal: 8, experimental: 2, batch: 1 };

/** One priority: lanes by caller. The first of the map is next; whoever had a turn goes to its end. */
interface Class<T> {
  readonly priority: Priority;
  readonly lanes: Map<string, T[]>;
  /** Turns it is owed; negative after it had one. */
  credit: number;
}

/** Lanes of things that wait. */
export class Lanes<T> {
  readonly #classes: readonly Class<T>[] = priorityNames.map((priority) => ({
    priority,
    lanes: new Map(),
    credit: 0,
  }));
  #size = 0;

  /** How many wait. */
  get size(): number {
    return this.#size;
  }

  /** How many lanes have something in them. */
  get count(): number {
    return this.#classes.reduce((sum, { lanes }) => sum + lanes.size, 0);
  }

  /** What waits in one lane, oldest first. */
  lane(priority: Priority, caller: string): readonly T[] {
    return this.#of(priority).lanes.get(caller) ?? [];
  }

  /** All that wait, with their priorities. */
  *all(): Iterable<readonly [Priority, T]> {
    for (const { priority, lanes } of this.#classes) {
      for (const lane of lanes.values()) {
        for (const one of lane) {
          yield [priority, one];
        }
      }
    }
  }

  /** Put one behind the others of its lane. */
  push(priority: Priority, caller: string, one: T): void {
    this.#laneFor(priority, caller).push(one);
    this.#size++;
  }

  /** Put one back that was taken in vain: it stays the first of its lane, which had its turn. */
  back(priority: Priority, caller: string, one: T): void {
    this.#laneFor(priority, caller).unshift(one);
    this.#size++;
  }

  /** Take the one whose turn it is, or undefined when none waits. */
  next(): T | undefined {
    const chosen = this.#choose();
    if (chosen === undefined) {
      return undefined;
    }
    const [first] = chosen.lanes;
    if (first === undefined) {
      return undefined;
    }
    const [caller, lane] = first;
    const one = lane.shift();
    chosen.lanes.delete(caller);
    if (lane.length > 0) {
      chosen.lanes.set(caller, lane);
    }
    this.#size--;
    return one;
  }

  /** Take out all for which it is true. */
  takeOut(which: (one: T) => boolean): T[] {
    const out: T[] = [];
    for (const { lanes } of this.#classes) {
      for (const [caller, lane] of lanes) {
        const staying = lane.filter((one) => !which(one));
        if (staying.length < lane.length) {
          out.push(...lane.filter(which));
          this.#size -= lane.length - staying.length;
          // A lane that stays keeps its place among the others.
          if (staying.length === 0) {
            lanes.delete(caller);
          } else {
            lanes.set(caller, staying);
          }
        }
      }
    }
    return out;
  }

  /** Smooth weighted turns: every class that has something is owed its weight, and the one owed most pays for all. */
  #choose(): Class<T> | undefined {
    let owed = 0;
    let chosen: Class<T> | undefined;
    for (const one of this.#classes) {
      if (one.lanes.size === 0) {
        one.credit = 0; // who had nothing to send is owed nothing
        continue;
      }
      owed += WEIGHT[one.priority];
      one.credit += WEIGHT[one.priority];
      if (chosen === undefined || one.credit > chosen.credit) {
        chosen = one;
      }
    }
    if (chosen !== undefined) {
      chosen.credit -= owed;
    }
    return chosen;
  }

  #of(priority: Priority): Class<T> {
    return this.#classes[priorityNames.indexOf(priority)] as Class<T>;
  }

  #laneFor(priority: Priority, caller: string): T[] {
    const { lanes } = this.#of(priority);
    let lane = lanes.get(caller);
    if (lane === undefined) {
      lane = [];
      lanes.set(caller, lane);
    }
    return lane;
  }
}

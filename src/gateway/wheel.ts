/**
 * One timer for many: due times are kept in slots of 20 ms, each a set, so that setting and cancelling cost nothing
 * worth measuring and no closure is kept per call.
 */

/** Something that can be due. The wheel owns `slot`. */
export interface Timed {
  slot: number | undefined;
}

const SLOT_MS = 20;

/** Calls `onDue` for each item once its instant (epoch ms) has passed. */
export class Wheel<T extends Timed> {
  readonly #slots = new Map<number, Set<T>>();
  readonly #onDue: (item: T) => void;
  #timer: NodeJS.Timeout | undefined;
  #at = Math.floor(Date.now() / SLOT_MS);

  constructor(onDue: (item: T) => void) {
    this.#onDue = onDue;
  }

  /** Start to turn. */
  start(): void {
    this.#timer = setInterval(() => this.turn(Date.now()), SLOT_MS);
  }

  /** Stop. What is set stays set. */
  stop(): void {
    clearInterval(this.#timer);
  }

  /** Set or move the due time of an item. */
  set(item: T, dueMs: number): void {
    this.cancel(item);
    const slot = Math.max(Math.ceil(dueMs / SLOT_MS), this.#at + 1);
    item.slot = slot;
    const set = this.#slots.get(slot);
    if (set === undefined) {
      this.#slots.set(slot, new Set([item]));
    } else {
      set.add(item);
    }
  }

  /** The item is not due any more. */
  cancel(item: T): void {
    if (item.slot !== undefined) {
      const set = this.#slots.get(item.slot);
      set?.delete(item);
      if (set?.size === 0) {
        this.#slots.delete(item.slot);
      }
      item.slot = undefined;
    }
  }

  /** Run what is due at this instant. Exported for tests; the timer calls it. */
  turn(nowMs: number): void {
    const until = Math.floor(nowMs / SLOT_MS);
    // After a long pause or a clock step it is cheaper to look at the slots there are than at each that passed.
    const slots =
      until - this.#at > this.#slots.size
        ? [...this.#slots.keys()].filter((s) => s <= until).sort((a, b) => a - b)
        : range(this.#at + 1, until);
    this.#at = Math.max(this.#at, until);
    for (const slot of slots) {
      const due = this.#slots.get(slot);
      if (due !== undefined) {
        this.#slots.delete(slot);
        for (const item of due) {
          item.slot = undefined;
          this.#onDue(item);
        }
      }
    }
  }
}

function range(from: number, to: number): number[] {
  const out: number[] = [];
  for (let i = from; i <= to; i++) {
    out.push(i);
  }
  return out;
}

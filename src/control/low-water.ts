/**
 * The low-water mark of DECISIONS: nothing below it is open with anybody. It is durable, so that a new supervisor
 * begins there and not at the beginning, and what lies below it may be purged.
 */
import { kvGet, kvPut, purgeBelow, streamState } from '../fabric/streams.js';
import { limits } from '../wire/limits.js';
import type { Control } from './core.js';

const KEY = 'lowwater';
const EVERY_MS = 1_000;
/** Longer than a lease and the time to notice that it lapsed. */
const PIN_MS = 8_000;

/** Moves the mark forwards. */
export class LowWater {
  readonly #control: Control;
  #mark = 1;
  #nextMs = 0;
  #pinnedAt = 0;
  #pinnedUntilMs = 0;

  constructor(control: Control) {
    this.#control = control;
  }

  /** The stored mark. */
  async load(): Promise<number> {
    this.#mark = Number((await kvGet(this.#control.nc, 'mesh_state', KEY)) ?? 1);
    return this.#mark;
  }

  /** Keep the mark at or below `seq` for a moment. */
  pin(seq: number): void {
    this.#pinnedAt = Math.min(seq, this.pinned);
    this.#pinnedUntilMs = Date.now() + PIN_MS;
  }

  /** Where the mark is pinned, or infinity. */
  get pinned(): number {
    return Date.now() < this.#pinnedUntilMs ? this.#pinnedAt : Infinity;
  }

  /** Move to the lowest of the marks. Without any living gateway nothing is known and the mark stays. */
  async move(marks: readonly number[], known: boolean): Promise<void> {
    const now = Date.now();
    if (!known || now < this.#nextMs) {
      return;
    }
    this.#nextMs = now + EVERY_MS;
    const mark = Math.min(this.pinned, ...marks);
    if (mark > this.#mark) {
      this.#mark = mark;
      await kvPut(this.#control.nc, 'mesh_state', KEY, String(mark));
    }
    await this.#purge();
  }

  /** Settled decisions are kept for people to look at, up to a share of the stream. */
  async #purge(): Promise<void> {
    const { nc } = this.#control;
    const state = await streamState(nc, 'DECISIONS');
    if (state.percent > limits.decisionKeepPercent) {
      const surplus = Math.ceil(state.messages * (1 - (limits.decisionKeepPercent * 0.9) / state.percent));
      const upTo = Math.min(this.#mark, state.firstSeq + surplus);
      if (upTo > state.firstSeq) {
        await purgeBelow(nc, 'DECISIONS', upTo);
      }
    }
  }
}

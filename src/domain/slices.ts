/**
 * Long work in slices: a generator yields where it may be interrupted, and whoever runs it decides how often it is.
 */
import { limits } from '../wire/limits.js';

/** Work that yields between its parts, and returns its result. */
export type Steps<T> = Generator<void, T, void>;

/** What slices need of the world. */
export interface SliceWorld {
  /** Milliseconds that only grow. */
  readonly now: () => number;
  /** Let others work, and come back. */
  readonly pause: () => Promise<void>;
}

/** Do it in one go. Throws what the work throws. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) {
      return step.value;
    }
  }
}

/** Do it in slices of `sliceMs`, others work in between. Rejects with what the work throws. */
export async function inSlices<T>(steps: Steps<T>, { now, pause }: SliceWorld): Promise<T> {
  let began = now();
  for (;;) {
    const step = steps.next();
    if (step.done === true) {
      return step.value;
    }
    if (now() - began >= limits.sliceMs) {
      await pause();
      began = now();
    }
  }
}

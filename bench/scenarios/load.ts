/**
 * Open load: calls begin when they are due, whatever became of those before. Times are drawn before anything runs, so
 * that all who are compared get the same ones.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../random.js';

/** Moments in ms from the beginning: so many a second in the mean, as independent callers make them. */
export function arrivals(random: Random, perSecond: number, seconds: number): number[] {
  const times: number[] = [];
  for (let at = next(random, perSecond); at < seconds * 1_000; at += next(random, perSecond)) {
    times.push(at);
  }
  return times;
}

function next(random: Random, perSecond: number): number {
  return (-Math.log(1 - random()) / perSecond) * 1_000;
}

/** Something that happens at a moment of the load. */
export interface Cue {
  readonly atMs: number;
  readonly act: () => void;
}

/**
 * Begin `call` at each of the moments, and what is to happen between them; resolves when all calls have ended. `dueMs`
 * is the instant a call was due on the clock of `performance.now()`: a latency counted from there hides no delay of the load itself.
 */
export async function openLoad(
  times: readonly number[],
  call: (n: number, dueMs: number) => Promise<void>,
  cues: readonly Cue[] = [],
): Promise<void> {
  const began = performance.now();
  const running: Promise<void>[] = [];
  const all: Cue[] = [
    ...cues,
    ...times.map((atMs, n) => ({ atMs, act: () => void running.push(call(n, began + atMs)) })),
  ].sort((a, b) => a.atMs - b.atMs);
  for (const { atMs, act } of all) {
    const left = began + atMs - performance.now();
    if (left > 0) {
      await sleep(left);
    }
    act();
  }
  await Promise.all(running);
}

/** The mean; NaN of nothing, which no check takes for good. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * Callers in a crowd: those who send one call after another, and one who never has fewer than so many in flight.
 */
import type { Mesh } from '../../src/agent/index.js';

/** What a polite caller saw. */
export interface Manners {
  readonly latenciesMs: readonly number[];
  readonly failed: number;
  /** The 99th percentiles: of the time of a call, and of what the clock counted meanwhile. */
  readonly p99: number;
  readonly p99Passed: number;
}

/** Callers that send one call after another for a while. `clock` counts what happens meanwhile. */
export async function polite(
  callers: readonly Mesh[],
  capability: string,
  forMs: number,
  clock: () => number = () => 0,
): Promise<Manners> {
  const latenciesMs: number[] = [];
  const passed: number[] = [];
  let failed = 0;
  const end = performance.now() + forMs;
  await Promise.all(
    callers.map(async (caller) => {
      while (performance.now() < end) {
        const [began, before] = [performance.now(), clock()];
        await caller.call(capability, {}).catch(() => failed++);
        latenciesMs.push(performance.now() - began);
        passed.push(clock() - before);
      }
    }),
  );
  return { latenciesMs, failed, p99: p99Of(latenciesMs), p99Passed: p99Of(passed) };
}

function p99Of(list: readonly number[]): number {
  const sorted = list.toSorted((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * 0.99) - 1] ?? 0;
}

/** A caller without end. */
export interface Hog {
  /** Its calls that completed. */
  done(): number;
  stop(): Promise<void>;
}

/** As soon as one of its calls ends the next one begins. */
export function hog(caller: Mesh, capability: string, inFlight: number): Hog {
  let going = true;
  let done = 0;
  const loops = Array.from({ length: inFlight }, async () => {
    while (going) {
      await caller.call(capability, {}).then(
        () => done++,
        () => undefined,
      );
    }
  });
  return {
    done: () => done,
    stop: async () => {
      going = false;
      await Promise.all(loops);
    },
  };
}

/**
 * Callers in a crowd: those who send one call after another, and one who never has fewer than so many in flight.
 */
import type { Mesh } from '../../src/agent/index.js';

/** What a polite caller saw. */
export interface Manners {
  readonly latenciesMs: readonly number[];
  readonly failed: number;
  /** The 99th percentile. */
  readonly p99: number;
}

/** Callers that send one call after another for a while. */
export async function polite(callers: readonly Mesh[], capability: string, forMs: number): Promise<Manners> {
  const latenciesMs: number[] = [];
  let failed = 0;
  const end = performance.now() + forMs;
  await Promise.all(
    callers.map(async (caller) => {
      while (performance.now() < end) {
        const began = performance.now();
        await caller.call(capability, {}).catch(() => failed++);
        latenciesMs.push(performance.now() - began);
      }
    }),
  );
  latenciesMs.sort((a, b) => a - b);
  return { latenciesMs, failed, p99: latenciesMs[Math.ceil(latenciesMs.length * 0.99) - 1] ?? 0 };
}

/** A caller without end: as soon as one call ends the next one begins. Returns how to stop it. */
export function hog(caller: Mesh, capability: string, inFlight: number): () => Promise<number> {
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
  return async () => {
    going = false;
    await Promise.all(loops);
    return done;
  };
}

/**
 * A worker that does one thing at a time, as whoever has one processor does; what comes meanwhile waits inside it. It
 * plays under several names, each with a queue of its own, so that those who are compared have equal workers.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { play } from './role.js';

/** How it works: one capability for each name, and how long one piece takes. */
export interface Worker {
  readonly serves: Readonly<Record<string, string>>;
  readonly workMs: number;
  readonly slowMs: number;
  readonly slow: boolean;
}

/** What is asked of it: how long this piece takes beside the usual one. */
export interface Piece {
  readonly size: number;
}

await play<Worker>(async ({ settings, open }) => {
  const { serves, workMs, slowMs } = settings;
  let ms = settings.slow ? slowMs : workMs;
  for (const [name, capability] of Object.entries(serves)) {
    let last = Promise.resolve();
    const mesh = await open(name, 64);
    await mesh.serve(capability, async ({ size }: Piece) => {
      const mine = last.then(() => sleep(ms * size));
      last = mine;
      await mine;
      return { by: name };
    });
  }
  return (order) => {
    ms = order === 'slow' ? slowMs : workMs;
  };
});

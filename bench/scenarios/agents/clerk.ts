/**
 * One clerk of an approval flow: does its own work, then asks the others it needs, side by side or one after the other.
 * It says to the witness how long all of it took, as an agent would write it to its log.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { play } from './role.js';

/** What it says when it is done. */
export interface Said {
  readonly claim: string;
  readonly agent: string;
  readonly tookMs: number;
}

/** How it works: `asks` are groups, each asked side by side when the one before has answered. */
export interface Clerk {
  readonly name: string;
  readonly serves: string;
  readonly workMs: number;
  readonly slowMs: number;
  readonly asks: readonly (readonly string[])[];
}

await play<Clerk>(async ({ settings, say, open }) => {
  const { name, serves, asks, workMs, slowMs } = settings;
  let ownMs = workMs;
  const mesh = await open(name, 16);
  await mesh.serve(serves, async (body: { claim: string }, task) => {
    const began = performance.now();
    await sleep(ownMs);
    for (const group of asks) {
      await Promise.all(group.map((capability) => task.call(capability, body)));
    }
    say({ claim: body.claim, agent: name, tookMs: performance.now() - began });
    return { claim: body.claim, by: name };
  });
  return (order) => {
    ownMs = order === 'slow' ? slowMs : workMs;
  };
});

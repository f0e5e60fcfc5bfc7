/**
 * Takes money: says to the witness whose call it runs before anything else, then works a while. What it said is what
 * was spent, whatever becomes of the answer.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { play } from './role.js';

/** What it says. */
export interface Said {
  readonly payer: string;
  readonly call: string;
}

/** How it works, and what it costs. */
export interface Till {
  readonly name: string;
  readonly serves: string;
  readonly micros: number;
  readonly workMs: number;
}

const CONCURRENCY = 4_096;

await play<Till>(async ({ settings, say, open }) => {
  const { name, serves, micros, workMs } = settings;
  const mesh = await open(name, CONCURRENCY);
  await mesh.serve(serves, { costMicros: micros }, async (_: unknown, task) => {
    say({ payer: task.from, call: task.callId } satisfies Said);
    await sleep(workMs * (0.5 + Math.random()));
    return null;
  });
});

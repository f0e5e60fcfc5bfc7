/**
 * One of two agents that call each other for ever: whatever it is asked, it asks the other. It says so to the witness
 * before it does it, and with which error it was stopped.
 */
import { MeshError } from '../../../src/agent/index.js';
import { play } from './role.js';

/** What it is asked: with the ticket of its task, or as if the call were its own. */
export interface Turn {
  readonly run: string;
  readonly tickets: boolean;
}

/** What it says: that it ran, or what stopped it. */
export interface Said {
  readonly run: string;
  readonly agent: string;
  readonly at: number;
  readonly code?: string;
}

interface Settings {
  readonly name: string;
  readonly serves: string;
  readonly asks: string;
  /** What one turn costs. */
  readonly micros: number;
}

/** Each turn waits for the next one: so many may wait. */
const CONCURRENCY = 4_096;

await play<Settings>(async ({ settings, say, open }) => {
  const { name, serves, asks, micros } = settings;
  const mesh = await open(name, CONCURRENCY);
  let stopped = false;
  await mesh.serve(serves, { costMicros: micros }, async (turn: Turn, task) => {
    const { run, tickets } = turn;
    if (stopped) {
      return 'stopped from outside';
    }
    say({ run, agent: name, at: Date.now() });
    try {
      return await (tickets ? task.call(asks, turn) : mesh.call(asks, turn));
    } catch (err) {
      say({ run, agent: name, at: Date.now(), code: err instanceof MeshError ? err.code : 'unknown' });
      throw err;
    }
  });
  return () => {
    stopped = true;
  };
});

/**
 * A solver: adds up lists of numbers. A weak one is cheap and loses its way in long lists; where it does it either says
 * so, or gives a wrong answer without knowing. Whether it does depends on the problem alone, so equal solvers fail at
 * the same problems, and who compares them sees no luck. It plays under several names.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { seeded } from '../../random.js';
import { difficultyOf, type Difficulty, type Problem } from '../problem.js';
import { play } from './role.js';

/** What it says to the witness, before it answers. */
export interface Said {
  readonly problem: number;
  readonly agent: string;
  readonly micros: number;
}

/** What a solver is like. */
export interface Solver {
  readonly serves: Readonly<Record<string, string>>;
  readonly proficiency: 'competent' | 'expert';
  readonly micros: number;
  readonly workMs: number;
  /** How often it finds the answer, by how hard the problem is. */
  readonly finds: Readonly<Record<Difficulty, number>>;
}

/** Of the problems it does not solve it knows that it did not solve so many. */
const KNOWS = 0.5;
const CONCURRENCY = 32;

await play<Solver>(async ({ settings, say, open }) => {
  const { serves, proficiency, micros, workMs, finds } = settings;
  for (const [name, capability] of Object.entries(serves)) {
    const mesh = await open(name, CONCURRENCY);
    const about = { proficiency, costMicros: micros, idempotent: true };
    await mesh.serve(capability, about, async (problem: Problem) => {
      const { id, numbers } = problem;
      say({ problem: id, agent: name, micros } satisfies Said);
      await sleep(workMs);
      const luck = seeded(id);
      const sum = numbers.reduce((all, one) => all + one, 0);
      if (luck() < finds[difficultyOf(problem)]) {
        return { sum };
      }
      if (luck() < KNOWS) {
        throw new Error('lost in a long list');
      }
      return { sum: sum + 1 };
    });
  }
});

import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import LongestFirst from './test/longest-first.js';

/** These measure time or memory: they run by themselves. */
const alone = testsOf('bodies-memory', 'instances', 'promises', 'routing', 'sight-dead');

/** These make much load, or wait long for npm and for what crashed: two of them at a time, and nothing else. */
const heavy = testsOf('bad-input', 'demo', 'kill', 'package', 'server-crash');

function testsOf(...names: string[]): string[] {
  return names.map((name) => `test/mesh/${name}.test.ts`);
}

const patient = { testTimeout: 60_000, hookTimeout: 60_000 };

/** `cheap` is pure and takes seconds; the others drive a real nats-server for each file. */
export default defineConfig({
  test: {
    reporters: ['default', './test/reporter.ts'],
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: 'cheap',
          include: ['test/cheap/**/*.test.ts'],
          maxWorkers: availableParallelism(), // all of it is work
          isolate: false, // what is pure is loaded once
          testTimeout: 30_000, // random models on a machine that others use as well
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'mesh',
          include: ['test/mesh/**/*.test.ts', 'test/hostile/**/*.test.ts'],
          exclude: [...alone, ...heavy],
          isolate: false, // each worker loads the mesh once, not for every file
          maxWorkers: 4, // they wait more than they work
          sequence: { groupOrder: 1 },
          ...patient,
        },
      },
      {
        test: {
          name: 'heavy',
          include: heavy,
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
          ...patient,
        },
      },
      {
        test: {
          name: 'alone',
          include: alone,
          fileParallelism: false,
          sequence: { groupOrder: 3 },
          ...patient,
        },
      },
    ],
  },
});

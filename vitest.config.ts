import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import LongestFirst from './test/longest-first.js';

/**
 * These measure time or memory, make so much load that others would notice, or compile the programs that others run:
 * they run by themselves.
 */
const alone = [
  'bad-input',
  'bodies-memory',
  'demo',
  'instances',
  'kill',
  'promises',
  'server-crash',
  'sight-dead',
].map((name) => `test/mesh/${name}.test.ts`);

const patient = { testTimeout: 60_000, hookTimeout: 60_000 };

/** `cheap` is pure and takes seconds; `mesh` drives a real nats-server for each file, `alone` one file at a time. */
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
          exclude: alone,
          isolate: false, // each worker loads the mesh once, not for every file
          maxWorkers: 4, // they wait more than they work
          sequence: { groupOrder: 1 },
          ...patient,
        },
      },
      {
        test: {
          name: 'alone',
          include: alone,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
          ...patient,
        },
      },
    ],
  },
});

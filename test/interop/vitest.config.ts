/**
 * The mesh and the programs of others. Three projects: clients and agents without our SDK; the README with the real
 * `nats` command; and the tests of the fabric on the newest nats-server.
 */
import { delimiter } from 'node:path';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';
import LongestFirst from '../longest-first.js';
import { prepareTools } from './tools.js';

/** What depends on how the server behaves: acknowledgements, permissions, queue groups, republishing, crashes. */
const ON_THE_SERVER = ['mesh/call', 'mesh/promises', 'mesh/micro', 'mesh/server-crash'];

const tools = prepareTools();
/** Three files at a time: they wait for servers, clients and limits more than they work. */
const common = { testTimeout: 60_000, hookTimeout: 60_000, maxWorkers: 3 } as const;
const projects: TestProjectInlineConfiguration[] = [
  {
    test: {
      ...common,
      name: 'interop',
      include: ['test/interop/*.test.ts'],
      provide: { tools },
    },
  },
];
if (tools.go !== undefined) {
  const { nats, serverFolder, serverVersion } = tools.go;
  projects.push(
    {
      test: {
        ...common,
        name: 'README with the nats command',
        include: ['test/mesh/readme.test.ts'],
        env: { TEST_NATS: nats },
      },
    },
    {
      test: {
        ...common,
        name: `nats-server ${serverVersion}`,
        include: ['test/interop/newest/*.test.ts', ...ON_THE_SERVER.map((name) => `test/${name}.test.ts`)],
        provide: { tools },
        env: { PATH: [serverFolder, process.env['PATH'] ?? ''].join(delimiter) },
      },
    },
  );
}

export default defineConfig({
  root: process.cwd(),
  test: {
    reporters: ['default', './test/reporter.ts'],
    sequence: { sequencer: LongestFirst },
    projects,
  },
});

/**
 * `mesh gateway`: run one gateway. Any number may run; they share the work.
 */
import type { Command } from 'commander';
import type { ContextOptions } from './context.js';
import { serveUntilStopped, serviceOptions } from './service.js';

/** Add the command. */
export function register(program: Command): void {
  serviceOptions(program.command('gateway'), 'gateway')
    .summary('run one gateway')
    .description(
      'Run one gateway: it takes calls, decides, dispatches and settles. Start as many as you like.',
    )
    .addHelpText('after', HELP)
    .action(async (options: ContextOptions) => {
      const { runGateway } = await import('../gateway/run.js');
      await serveUntilStopped(options, 'gateway', runGateway, ['split']);
    });
}

const HELP = `
Examples:
  $ mesh gateway                                    a further gateway beside those of mesh up
  $ mesh gateway --split authority,policy           one that asks interceptors (docs/interceptors.md)
  $ MESH_LOG=info mesh gateway --data ./prod --json
  $ NATS_URL=nats://nats.example:4222 mesh gateway --data ./creds-only`;

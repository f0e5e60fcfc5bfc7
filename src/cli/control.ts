/**
 * `mesh control`: run the long-lived services. Several may run; one leads.
 */
import type { Command } from 'commander';
import type { ContextOptions } from './context.js';
import { serveUntilStopped, serviceOptions } from './service.js';

/** Add the command. */
export function register(program: Command): void {
  serviceOptions(program.command('control'), 'control')
    .summary('run control')
    .description(
      'Run control: registrar and supervisor. It makes the streams and keys when they are missing.',
    )
    .addHelpText('after', HELP)
    .action(async (options: ContextOptions) => {
      const { runControl } = await import('../control/run.js');
      await serveUntilStopped(options, 'control', runControl);
    });
}

const HELP = `
Examples:
  $ mesh control                                    a second one, which takes over when the first is gone
  $ MESH_LOG=info mesh control --data ./prod --json`;

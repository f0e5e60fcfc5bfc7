/**
 * `mesh interceptor`: judge one stage of the chain for the gateways that ask. Any number may run of each stage.
 */
import { Argument, type Command } from 'commander';
import { STAGES, type Stage } from '../wire/stages.js';
import type { ContextOptions } from './context.js';
import { runnerOptions, serveUntilStopped } from './service.js';

/** Add the command. */
export function register(program: Command): void {
  const stage = new Argument('<stage>', 'what it proves').choices([...STAGES]);
  runnerOptions(program.command('interceptor').addArgument(stage), 'the stage')
    .summary('judge one stage of the chain')
    .description(
      'Judge one stage of the chain in a process of its own, for the gateways that were started with --split. Its user has the name of the stage and can publish nothing but answers of this stage. Run at least two of each.',
    )
    .addHelpText('after', HELP)
    .action(async (name: Stage, options: ContextOptions) => {
      const { runInterceptor } = await import('../gateway/split/interceptor.js');
      await serveUntilStopped(options, name, (service) => runInterceptor({ ...service, name }));
    });
}

const HELP = `
Examples:
  $ mesh up --split authority,policy                starts one of each stage with the mesh
  $ mesh interceptor authority                      a second one, which shares the work
  $ mesh interceptor policy --data ./prod --json

docs/interceptors.md says what a stage proves, and what it costs.`;

/**
 * `mesh identity`: say who connects. Several may run; the server asks one of them.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { places } from '../fabric/folder.js';
import { readUsers } from '../fabric/users.js';
import { dataFolder, type ContextOptions } from './context.js';
import { runnerOptions, serveUntilStopped } from './service.js';

interface IdentityOptions extends ContextOptions {
  readonly rules?: string;
}

/** Add the command. */
export function register(program: Command): void {
  runnerOptions(program.command('identity'), 'identity')
    .summary('run identity')
    .description(
      'Run identity: the server asks it who connects, and it turns keys, enrolment tokens, access tokens and certificates into users that live as long as their proof. Run at least two.',
    )
    .option('--rules <file>', 'rules (default: mesh.identity.yaml in the data folder, if there is one)')
    .addHelpText('after', HELP)
    .action(identity);
}

const HELP = `
Examples:
  $ mesh up --identity 2                            starts two of them with the mesh
  $ mesh identity --data ./prod --url tls://nats.example:4222
                                                    one more, beside a server of your own

docs/identity.md says how to switch it on and what the rules can say.`;

async function identity(options: IdentityOptions): Promise<void> {
  const dir = dataFolder(options.data, options.config);
  const file = join(dir, places.identityRules);
  const rulesFile = options.rules ?? (existsSync(file) ? file : undefined);
  await serveUntilStopped(options, 'identity', async (service) => {
    const [{ runIdentity }, { registered }, { readCalloutKeys }] = await Promise.all([
      import('../control/identity/run.js'),
      import('../control/identity/register.js'),
      import('../fabric/callout-conf.js'),
    ]);
    const users = readUsers(dir).map(registered);
    return await runIdentity({ ...service, keys: readCalloutKeys(dir), rulesFile, users });
  });
}

/**
 * `mesh agents revoke` and `mesh agents reinstate`: put a name out, and let it in again.
 */
import { join } from 'node:path';
import type { Command } from 'commander';
import { asksIdentity } from '../../fabric/callout-conf.js';
import { places } from '../../fabric/folder.js';
import { reloadServer } from '../../fabric/server.js';
import { readUsers, removeUser } from '../../fabric/users.js';
import { meshError } from '../../wire/errors.js';
import { isSessionRole } from '../../wire/session-role.js';
import { CONNECTS, openContext, type Context, type ContextOptions } from '../context.js';
import { asOperator } from '../operator.js';
import { paint, say, sayJson } from '../output.js';
import { withSettings } from '../settings.js';

/** Add the commands. */
export function register(agents: Command): void {
  withSettings(agents.command('revoke <name>'), ...CONNECTS, 'users.operator')
    .summary('put an agent or a caller out, at once')
    .description(
      'Keep the name out whatever it proves, cut its connections, and end its instances: their tasks go to others, or end as unknown where they must not run twice.',
    )
    .option('--json', 'print one JSON line')
    .addHelpText('after', REVOKE)
    .action(revoke);
  withSettings(agents.command('reinstate <name>'), ...CONNECTS, 'users.operator')
    .summary('let a revoked name in again')
    .description('Let a revoked name in again, with the proof it had. Needs mesh up --identity.')
    .option('--json', 'print one JSON line')
    .addHelpText('after', REINSTATE)
    .action(reinstate);
}

const REVOKE = `
Examples:
  $ mesh agents revoke inventory
  $ mesh agents revoke shop --json

Without mesh up --identity the server forgets the key of the name; mesh agents add makes it another one.`;

const REINSTATE = `
Examples:
  $ mesh agents reinstate inventory`;

interface Revoked {
  readonly kicked: number;
}

async function revoke(name: string, options: ContextOptions): Promise<void> {
  const context = openContext(options, 'operator');
  const key = readUsers(context.dir).find(
    (user) => user.name === name && isSessionRole(user.role),
  )?.publicKey;
  if (!asksIdentity(context.dir)) {
    await forgetKey(context, name, key);
  }
  const admin = { agent: name, ...(key === undefined ? {} : { user: key }) };
  const done = await asOperator(options, [], (operator) => operator.command<Revoked>('revoke', admin));
  if (options.json === true) {
    sayJson(done);
  } else {
    const cut = done.kicked === 1 ? '1 connection was cut' : `${done.kicked} connections were cut`;
    say(`${paint.green(name)} is out; ${cut}`);
  }
}

/** The server knows the users itself: it forgets this one, and cuts its connections when it reads its users again. */
async function forgetKey({ dir, state }: Context, name: string, key: string | undefined): Promise<void> {
  if (key === undefined) {
    throw meshError('not_found', { what: 'the user', name });
  }
  const pid = state?.server?.pid;
  if (pid === undefined) {
    const why = 'the server is not ours: take the user out of its configuration, or run it with identity';
    throw meshError('usage', { why });
  }
  await removeUser(dir, name);
  await reloadServer(pid, join(dir, places.serverLog));
}

async function reinstate(name: string, options: ContextOptions): Promise<void> {
  const done = await asOperator(options, [], (operator) => operator.command('reinstate', { agent: name }));
  if (options.json === true) {
    sayJson(done);
  } else {
    say(`${paint.green(name)} may come again`);
  }
}

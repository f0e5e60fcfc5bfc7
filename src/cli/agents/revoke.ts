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
import { note, paint, say, sayJson } from '../output.js';
import { withSettings } from '../settings.js';

/** Add the commands. */
export function register(agents: Command): void {
  withSettings(agents.command('revoke <name>'), ...CONNECTS, 'users.operator')
    .summary('put an agent or a caller out, at once')
    .description(
      'Keep the name out whatever it proves, end what it has begun, cut its connections, and end its instances: their tasks go to others, or end as unknown where they must not run twice.',
    )
    .option(
      '--key <nkey>',
      'only this key of the name: what it began ends, and another key may take its place',
    )
    .option('--json', 'print one JSON line')
    .addHelpText('after', REVOKE)
    .action(revoke);
  withSettings(agents.command('reinstate <name>'), ...CONNECTS, 'users.operator')
    .summary('let a revoked name in again')
    .description(
      'Let a revoked name in again, with the proof it had. What it had begun before stays ended. Without mesh up --identity it has no key any more: mesh agents add makes one.',
    )
    .option('--json', 'print one JSON line')
    .addHelpText('after', REINSTATE)
    .action(reinstate);
}

const REVOKE = `
Examples:
  $ mesh agents revoke inventory
  $ mesh agents revoke shop --json
  $ mesh agents revoke shop --key UBMUSEXHPJOZGZWTVQ6VRTBB3NNDKW3KYJHRD2YQ5KTGRKU5T5OZJ2LT

Without mesh up --identity the server forgets the key of the name as well; mesh agents add makes it another one and lets
it in again.`;

const REINSTATE = `
Examples:
  $ mesh agents reinstate inventory`;

interface RevokeOptions extends ContextOptions {
  readonly key?: string;
}

interface Revoked {
  readonly kicked: number;
}

async function revoke(name: string, options: RevokeOptions): Promise<void> {
  const context = openContext(options, 'operator');
  const known = readUsers(context.dir).find((user) => user.name === name && isSessionRole(user.role));
  const asks = asksIdentity(context.dir);
  const ours = asks || context.state?.server?.pid !== undefined;
  if (ours && !asks && known === undefined) {
    throw meshError('not_found', { what: 'the user', name });
  }
  const user = known?.publicKey;
  const { key } = options;
  const admin = {
    agent: name,
    ...(user === undefined ? {} : { user }),
    ...(key === undefined ? {} : { key }),
  };
  // First of all gateways refuse it: until the server has forgotten the key, it may come back, and gets nothing.
  const done = await asOperator(options, [], (operator) => operator.command<Revoked>('revoke', admin));
  if (ours && (!asks || key === user)) {
    await forgetKey(context, name);
  }
  if (options.json === true) {
    return sayJson({ ...done, forgotten: ours });
  }
  const cut = done.kicked === 1 ? '1 connection was cut' : `${done.kicked} connections were cut`;
  say(
    key === undefined
      ? `${paint.green(name)} is out; ${cut}`
      : `this key of ${paint.green(name)} is out; ${cut}`,
  );
  if (!ours) {
    note('the server is not ours: take the user out of its configuration too, or run it with identity');
  }
}

/** The server knows the users itself: it forgets this one, and cuts its connections when it reads its users again. */
async function forgetKey({ dir, state }: Context, name: string): Promise<void> {
  await removeUser(dir, name);
  const pid = state?.server?.pid;
  if (pid !== undefined && !asksIdentity(dir)) {
    await reloadServer(pid, join(dir, places.serverLog));
  }
}

async function reinstate(name: string, options: ContextOptions): Promise<void> {
  const done = await asOperator(options, [], (operator) => operator.command('reinstate', { agent: name }));
  if (options.json === true) {
    sayJson(done);
  } else {
    say(`${paint.green(name)} may come again`);
  }
}

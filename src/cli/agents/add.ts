/**
 * `mesh agents add`: credentials and permissions for a name.
 */
import { join, relative } from 'node:path';
import type { Command } from 'commander';
import { places } from '../../fabric/folder.js';
import { reloadServer } from '../../fabric/server.js';
import { credentialsFile, mintUser, nkeyFile, readUsers, snippetFor, type User } from '../../fabric/users.js';
import { meshError } from '../../wire/errors.js';
import type { Settings } from '../../domain/config/resolve.js';
import { folderOf, runningState } from '../context.js';
import { pathIn, readSettings, withSettings, type Flags } from '../settings.js';
import { readState } from '../state.js';
import { natsContext } from '../up/files.js';
import { paint, say, sayJson, table } from '../output.js';

interface AddOptions extends Flags {
  readonly caller?: boolean;
  readonly json?: boolean;
}

/** Add the command. */
export function register(agents: Command): void {
  withSettings(agents.command('add <name>'), ...SETTINGS)
    .summary('make credentials for an agent or a caller')
    .description(
      'Make credentials and permissions for a name and tell the server. A server that is not ours must be told by its owner: the block to install is printed.',
    )
    .option('--caller', 'a caller: it may call, and serves nothing')
    .option('--json', 'print one JSON line')
    .addHelpText('after', HELP)
    .action(add);
}

const SETTINGS = ['data', 'server.url', 'policy'] as const;

const HELP = `
Examples:
  $ mesh agents add inventory            an agent
  $ mesh agents add shop --caller        a caller
  $ XDG_CONFIG_HOME=$PWD/.mesh nats --context inventory sub '…' --queue mesh      is then this agent

Adding a name again changes nothing and prints where its credentials are.`;

async function add(name: string, { caller, json, ...flags }: AddOptions): Promise<void> {
  const settings = readSettings(flags, SETTINGS);
  const dir = folderOf(settings);
  const server = serverOf(dir, settings);
  await mintUser(dir, { name, role: caller === true ? 'caller' : 'agent' });
  const user = readUsers(dir).find((one) => one.name === name);
  if (user === undefined) {
    throw meshError('internal', { where: 'agents add' });
  }
  if (server.pid !== undefined) {
    await reloadServer(server.pid, join(dir, places.serverLog));
  }
  natsContext(dir, server.url, name);
  if (json === true) {
    sayJson(facts(dir, server, user));
  } else {
    say(...report(dir, server, user));
  }
}

interface Server {
  readonly url: string;
  readonly policy: string;
  /** Missing when the server is not ours. */
  readonly pid: number | undefined;
}

/** The server to tell: the one of the mesh that runs here, else the one that is set, which is never ours. */
function serverOf(dir: string, settings: Settings): Server {
  const url = settings.value('server.url');
  const state = readState(dir);
  if (state === undefined && url !== undefined) {
    return { url, policy: pathIn(settings, 'policy') ?? join(dir, places.policy), pid: undefined };
  }
  const running = state ?? runningState(dir);
  return { url: running.url, policy: running.policy, pid: running.server?.pid };
}

function facts(dir: string, server: Server, user: User): object {
  return {
    name: user.name,
    role: user.role,
    publicKey: user.publicKey,
    credentials: credentialsFile(dir, user.name),
    nkey: nkeyFile(dir, user.name),
    url: server.url,
    installed: server.pid !== undefined,
    ...(server.pid === undefined ? { snippet: snippetFor(user) } : {}),
  };
}

function report(dir: string, server: Server, user: User): string[] {
  const here = (file: string): string => relative(process.cwd(), file);
  const role = user.role === 'agent' ? 'worker' : 'everyone';
  const installed =
    server.pid === undefined
      ? [
          '',
          'The server is not ours. Put this into the account of the mesh and reload it:',
          '',
          snippetFor(user),
        ]
      : [];
  return [
    `${paint.green(user.name)} is ${user.role === 'agent' ? 'an agent' : 'a caller'} of this mesh`,
    ...table([
      ['credentials', here(credentialsFile(dir, user.name))],
      ['server', server.url],
      ['nats command', `XDG_CONFIG_HOME='${dir}' nats --context ${user.name} …`],
    ]).map((line) => `  ${line}`),
    ...installed,
    '',
    `It may do nothing until ${here(server.policy)} gives it a role, for example:`,
    '  members:',
    `    ${user.name}: [${role}]`,
  ];
}

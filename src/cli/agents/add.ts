/**
 * `mesh agents add`: credentials and permissions for a name.
 */
import { join, relative } from 'node:path';
import type { Command } from 'commander';
import { places } from '../../fabric/folder.js';
import { reloadServer } from '../../fabric/server.js';
import { credentialsFile, mintUser, nkeyFile, readUsers, snippetFor, type User } from '../../fabric/users.js';
import { meshError } from '../../wire/errors.js';
import { dataFolder, runningState } from '../context.js';
import { paint, say, sayJson, table } from '../output.js';
import type { MeshState } from '../state.js';

interface AddOptions {
  readonly caller?: boolean;
  readonly data?: string;
  readonly json?: boolean;
}

/** Add the command. */
export function register(agents: Command): void {
  agents
    .command('add <name>')
    .summary('make credentials for an agent or a caller')
    .description(
      'Make credentials and permissions for a name and tell the server. A server that is not ours must be told by its owner: the block to install is printed.',
    )
    .option('--caller', 'a caller: it may call, and serves nothing')
    .option('--data <folder>', 'data folder (default: $MESH_DATA or .mesh)')
    .option('--json', 'print one JSON line')
    .addHelpText('after', HELP)
    .action(add);
}

const HELP = `
Examples:
  $ mesh agents add inventory            an agent
  $ mesh agents add shop --caller        a caller
  $ nats --nkey .mesh/creds/inventory.nk … is then this agent for the nats command

Adding a name again changes nothing and prints where its credentials are.`;

async function add(name: string, { caller, data, json }: AddOptions): Promise<void> {
  const dir = dataFolder(data);
  const state = runningState(dir);
  await mintUser(dir, { name, role: caller === true ? 'caller' : 'agent' });
  const user = readUsers(dir).find((one) => one.name === name);
  if (user === undefined) {
    throw meshError('internal', { where: 'agents add' });
  }
  if (state.server !== undefined) {
    await reloadServer(state.server.pid, join(dir, places.serverLog));
  }
  if (json === true) {
    sayJson(facts(dir, state, user));
  } else {
    say(...report(dir, state, user));
  }
}

function facts(dir: string, state: MeshState, user: User): object {
  return {
    name: user.name,
    role: user.role,
    publicKey: user.publicKey,
    credentials: credentialsFile(dir, user.name),
    nkey: nkeyFile(dir, user.name),
    url: state.url,
    installed: state.server !== undefined,
    ...(state.server === undefined ? { snippet: snippetFor(user) } : {}),
  };
}

function report(dir: string, state: MeshState, user: User): string[] {
  const here = (file: string): string => relative(process.cwd(), file);
  const role = user.role === 'agent' ? 'worker' : 'everyone';
  const installed =
    state.server === undefined
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
      ['nats --nkey', here(nkeyFile(dir, user.name))],
      ['server', state.url],
    ]).map((line) => `  ${line}`),
    ...installed,
    '',
    `It may do nothing until ${here(state.policy)} gives it a role, for example:`,
    '  members:',
    `    ${user.name}: [${role}]`,
  ];
}

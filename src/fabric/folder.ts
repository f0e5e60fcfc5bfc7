/**
 * The data folder of a mesh: 0700, its secrets 0600, every file written whole or not at all.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { meshError } from '../wire/errors.js';
import { isAlive } from './processes.js';

/** Where things stand in a data folder. */
export const places = {
  state: 'mesh.json',
  policy: 'mesh.policy.yaml',
  serverConf: 'nats-server.conf',
  serverLog: 'nats-server.log',
  serverPid: 'nats-server.pid',
  serverOwner: 'nats-server.owner',
  usersConf: 'users.conf',
  calloutConf: 'callout.conf',
  identityKeys: 'identity.json',
  identityRules: 'mesh.identity.yaml',
  users: 'users.json',
  usersLock: '.users.lock',
  issuer: 'issuer.json',
  tokens: 'tokens.json',
  tokensLock: '.tokens.lock',
  upLock: '.up.lock',
  logs: 'logs',
  nats: 'nats',
  creds: 'creds',
  store: 'jetstream',
} as const;

const OURS: readonly string[] = Object.values(places);

/** Keys of a mesh must not end up in the repository of whoever tries it. The policy may. */
const IGNORED = '*\n!.gitignore\n!mesh.policy.yaml\n';

/**
 * Make the folder, or take it over when it is empty or was a mesh before. A folder with other things in it is
 * refused: it would become 0700 and fill with keys.
 */
export function prepareFolder(dir: string): void {
  try {
    makeFolder(dir);
    const names = readdirSync(dir);
    if (names.length > 0 && !names.some((name) => OURS.includes(name))) {
      throw meshError('folder_unusable', {
        folder: dir,
        why: 'it holds other files and is not a mesh folder',
      });
    }
    chmodSync(dir, 0o700);
    makeFolder(join(dir, places.creds));
    if (!names.includes('.gitignore')) {
      writeWhole(join(dir, '.gitignore'), IGNORED);
    }
    // access() would say yes to root on a read-only mount, so write.
    writeWhole(join(dir, '.probe'), '');
    rmSync(join(dir, '.probe'));
  } catch (err) {
    throw folderError(dir, err);
  }
}

/** By hand, because `mkdirSync` with `recursive` never returns below /proc. */
function makeFolder(dir: string): void {
  if (!existsSync(dir)) {
    makeFolder(dirname(dir));
    mkdirSync(dir, { mode: 0o700 });
  }
}

/** Write a file of mode 0600 so that a reader sees the old bytes or the new ones, never half of them. */
export function writeWhole(file: string, text: string): void {
  const next = `${file}.${process.pid}.next`;
  writeFileSync(next, text, { mode: 0o600 });
  renameSync(next, file);
}

/** A file of JSON, or `undefined` when there is none. What is not JSON is `config_invalid`. */
export function readJson(file: string): unknown {
  const text = textIfAny(file);
  if (text === undefined) {
    return undefined;
  }
  try {
    return JSON.parse(text);
  } catch (err) {
    throw meshError('config_invalid', { file, where: 'the first byte or later', why: reason(err) }, err);
  }
}

/** The text of a file, or `undefined` when there is none. */
export function textIfAny(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (err) {
    if (codeOf(err) === 'ENOENT') {
      return undefined;
    }
    throw meshError('folder_unusable', { folder: file, why: reason(err) }, err);
  }
}

const LOCK_TRIES = 500;
const LOCK_WAIT_MS = 20;
const LOCK_STALE_MS = 60_000;
const held = new Set<string>();

/** Run `work` while nobody else does the same under this lock file. The lock of a dead process is taken over. */
export async function locked<T>(file: string, work: () => T | Promise<T>): Promise<T> {
  for (let tries = 0; !take(file); tries++) {
    if (tries > LOCK_TRIES) {
      throw meshError('folder_unusable', { folder: dirname(file), why: `another process holds ${file}` });
    }
    await sleep(LOCK_WAIT_MS);
  }
  held.add(file);
  try {
    return await work();
  } finally {
    held.delete(file);
    rmSync(file, { force: true });
  }
}

function take(file: string): boolean {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx', mode: 0o600 });
    return true;
  } catch (err) {
    if (codeOf(err) !== 'EEXIST') {
      throw folderError(file, err);
    }
    if (isAbandoned(file)) {
      rmSync(file, { force: true });
    }
    return false;
  }
}

/** Process ids are used again (in containers at once), so our own id and a great age mean nothing good either. */
function isAbandoned(file: string): boolean {
  const owner = Number(textIfAny(file));
  const bornMs = statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
  const gone = owner === process.pid ? !held.has(file) : owner > 0 && !isAlive(owner);
  return gone || Date.now() - bornMs > LOCK_STALE_MS;
}

/** An error of the file system as `folder_unusable`; errors of ours stay what they are. */
export function folderError(folder: string, err: unknown): Error {
  return codeOf(err) === undefined && err instanceof Error
    ? err
    : meshError('folder_unusable', { folder, why: reason(err) }, err);
}

function codeOf(err: unknown): string | undefined {
  const e = err as NodeJS.ErrnoException | undefined;
  return e?.errno === undefined ? undefined : e.code; // errors of ours have a code too, but no errno
}

function reason(err: unknown): string {
  return err instanceof Error ? err.message : String(err);
}

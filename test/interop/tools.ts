/**
 * The programs of others that the interop tests run against: made from pinned sources into a cache folder when they
 * are missing. Go makes the `nats` command, the newest nats-server and a client of our own; Python gets nats-py.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** A program of a Go module: its version, and the checksum of that version. */
interface GoProgram {
  readonly module: string;
  readonly version: string;
  readonly sum: string;
  readonly main: string;
}

const NATS: GoProgram = {
  module: 'github.com/nats-io/natscli',
  version: 'v0.3.0',
  sum: 'h1:DdoXZy96D1Di9ePuIVgnhEeAaE9rRr1NSG/jrzLhDz0=',
  main: './nats',
};
const SERVER: GoProgram = {
  module: 'github.com/nats-io/nats-server/v2',
  version: 'v2.15.2',
  sum: 'h1:yLsgt2kslgymvxvjFq1WGWck5hkat2YYfbXvQ145tzU=',
  main: '.',
};

/** Paths of programs; those of a language that is not on this machine are missing. */
export interface Tools {
  readonly go?: {
    readonly nats: string;
    /** A caller and an agent on nats.go. */
    readonly client: string;
    /** A folder that holds only the newest nats-server, to stand first on PATH. */
    readonly serverFolder: string;
    readonly serverVersion: string;
  };
  /** An environment with nats-py. */
  readonly python?: string;
}

const MAKE_MS = 600_000;
const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'capmesh-interop');

declare module 'vitest' {
  export interface ProvidedContext {
    tools: Tools;
  }
}

/** What is needed cannot be had here: no program, or no way to its sources. */
class Unavailable extends Error {}

/** Make what is missing. Says in a sentence what this machine cannot do. Throws when what it got is not right. */
export function prepareTools(): Tools {
  mkdirSync(cache, { recursive: true });
  const go = attempt('the nats command, a Go client or the newest nats-server', goTools);
  const python = attempt('a Python client', environment);
  return { ...(go === undefined ? {} : { go }), ...(python === undefined ? {} : { python }) };
}

function attempt<T>(what: string, make: () => T): T | undefined {
  try {
    return make();
  } catch (err) {
    if (err instanceof Unavailable) {
      console.log(`What needs ${what} is skipped, because ${err.message}.`);
      return undefined;
    }
    throw err;
  }
}

function goTools(): NonNullable<Tools['go']> {
  here('go', 'version');
  const serverFolder = join(cache, `nats-server-${SERVER.version}`);
  mkdirSync(serverFolder, { recursive: true });
  build(SERVER, join(serverFolder, 'nats-server'));
  const nats = join(cache, `nats-${NATS.version}`);
  build(NATS, nats);
  const client = join(cache, 'client');
  run('go', ['mod', 'download'], resolve('test/interop/go'));
  execFileSync('go', ['build', '-trimpath', '-o', client, '.'], { cwd: resolve('test/interop/go') });
  return { nats, client, serverFolder, serverVersion: SERVER.version.slice(1) };
}

/**
 * As `go install module@version` does it: the module is the main one, with its own versions of what it needs. The
 * checksum is held against ours beside the one of Go's own database.
 */
function build({ module, version, sum, main }: GoProgram, to: string): void {
  if (existsSync(to)) {
    return;
  }
  const startMs = Date.now();
  const told = run('go', ['mod', 'download', '-json', `${module}@${version}`], cache);
  const { Dir, Sum } = JSON.parse(told) as { Dir: string; Sum: string };
  if (Sum !== sum) {
    throw new Error(`${module}@${version} has the checksum ${Sum}, pinned is ${sum}`);
  }
  const half = `${to}.${process.pid}`;
  run('go', ['build', '-trimpath', '-o', half, main], Dir);
  renameSync(half, to);
  console.log(`built ${module} ${version} in ${seconds(startMs)}`);
}

/** A virtual environment with the libraries of the example. */
function environment(): string {
  const version = here('python3', '--version');
  const requirements = resolve('examples/python/requirements.txt');
  const inputs = version + readFileSync(requirements, 'utf8');
  const folder = join(cache, `python-${createHash('sha256').update(inputs).digest('hex').slice(0, 12)}`);
  const ready = join(folder, 'ready');
  const python = join(folder, 'bin', 'python');
  if (!existsSync(ready)) {
    const startMs = Date.now();
    rmSync(folder, { recursive: true, force: true });
    run('python3', ['-m', 'venv', folder], cache);
    run(python, ['-m', 'pip', 'install', '-q', '-r', requirements], cache);
    writeFileSync(ready, '');
    console.log(`installed nats-py in ${seconds(startMs)}`);
  }
  return folder;
}

/** What a program says of its version. Throws when it is not there. */
function here(program: string, question: string): string {
  try {
    return execFileSync(program, [question], { encoding: 'utf8' });
  } catch {
    throw new Unavailable(`${program} is not on this machine`);
  }
}

/** Run something that needs the network; what it printed. */
function run(command: string, args: readonly string[], cwd: string): string {
  try {
    const stdio: ['ignore', 'pipe', 'pipe'] = ['ignore', 'pipe', 'pipe'];
    return execFileSync(command, args, { cwd, encoding: 'utf8', stdio, timeout: MAKE_MS });
  } catch (err) {
    const { stderr = '' } = err as { stderr?: string };
    const why = stderr.split('\n').filter((line) => !/^go: downloading|^\s*$/.test(line));
    throw new Unavailable(`"${command} ${args[0] ?? ''}" failed: ${why.slice(-3).join(' ').slice(0, 500)}`);
  }
}

function seconds(startMs: number): string {
  return `${Math.round((Date.now() - startMs) / 1000)} s`;
}

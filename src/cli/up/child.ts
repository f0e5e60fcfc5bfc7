/**
 * A `mesh` command in a child process: `mesh control`, `mesh gateway`.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { packageFile } from '../../fabric/package.js';
import { endProcess } from '../../fabric/processes.js';
import { fromBody, meshError } from '../../wire/errors.js';
import type { Started } from './kept.js';

const READY_MS = 20_000;

/** Services make many short-lived objects: a larger nursery halves what collecting them costs (32 MB each). */
export const serviceFlags: readonly string[] = ['--max-semi-space-size=32'];

/** How to start a child. */
export interface ChildOptions {
  readonly args: readonly string[];
  /** File that its stderr is appended to; without one it goes to ours. */
  readonly logFile?: string;
}

/** Start a command and wait until it says that it is ready, or throw the error it printed. */
export async function startChild({ args, logFile }: ChildOptions): Promise<Started> {
  const stderr = logFile === undefined ? 'inherit' : openLog(logFile);
  const child = spawn(process.execPath, [...serviceFlags, packageFile('bin/mesh.js'), ...args, '--json'], {
    env: ownEnvironment(),
    // The channel is a lifeline: a child ends when it closes, so that nothing outlives a parent that was killed.
    stdio: ['ignore', 'pipe', stderr, 'ipc'],
    // Ctrl-C reaches the whole foreground group at once; we stop our children in order instead.
    detached: true,
  });
  if (typeof stderr === 'number') {
    closeSync(stderr);
  }
  const exited = new Promise<void>((resolve) => {
    child.once('error', () => resolve());
    child.once('exit', () => resolve());
  });
  const { metrics } = await untilReady(child, exited, args[0] ?? 'child');
  const pid = child.pid ?? 0;
  return {
    pid,
    ...(metrics === undefined ? {} : { metrics }),
    exited,
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        await endProcess(pid);
      }
      await exited;
    },
    kill: () => void child.kill('SIGKILL'),
  };
}

/** Who the starter is, its children are not; which stages are split they are told. */
function ownEnvironment(): NodeJS.ProcessEnv {
  const { MESH_SEED: _seed, MESH_CLI_CREDS: _creds, MESH_NATS_CONTEXT: _context, ...most } = process.env;
  const { MESH_SPLIT: _split, ...rest } = most;
  return rest;
}

function openLog(file: string): number {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  return openSync(file, 'a', 0o600);
}

async function untilReady(child: ChildProcess, exited: Promise<void>, name: string): Promise<Said> {
  return await new Promise<Said>((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(meshError('internal', { where: `${name} was not ready after ${READY_MS} ms` }));
    }, READY_MS);
    void exited.then(() => {
      clearTimeout(timer);
      reject(meshError('internal', { where: `${name} ended before it was ready` }));
    });
    if (child.stdout !== null) {
      // Read to the end, so that the child never blocks on a full pipe.
      createInterface({ input: child.stdout }).on('line', (line) => {
        clearTimeout(timer);
        const said = parse(line);
        if (said.ready === true) {
          resolve(said);
        } else if (said.error !== undefined) {
          child.kill('SIGKILL');
          reject(fromBody(said.error));
        }
      });
    }
  });
}

/** What a child says of itself on its first line. */
interface Said {
  readonly ready?: unknown;
  readonly error?: unknown;
  /** Where it shows its metrics. */
  readonly metrics?: string;
}

function parse(line: string): Said {
  try {
    return JSON.parse(line) as Said;
  } catch {
    return {};
  }
}

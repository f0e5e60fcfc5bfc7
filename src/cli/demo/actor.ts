/**
 * A process that takes part in the demo: started, heard, killed, stopped.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { endProcess } from '../../fabric/processes.js';
import { fromBody, meshError } from '../../wire/errors.js';

const READY_MS = 20_000;
const LOG_CHARS = 1_000;

/** How to start one. */
export interface ActorOptions {
  /** For people. */
  readonly name: string;
  /** Arguments of node. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Its stderr goes there. */
  readonly logFile: string;
  /** Hears its messages. */
  readonly onMessage?: (message: unknown, actor: Actor) => void;
}

/** A running one. */
export interface Actor {
  readonly name: string;
  readonly pid: number;
  /** The line it said when it was ready. */
  readonly said: Readonly<Record<string, unknown>>;
  tell(message: string): void;
  /** SIGKILL: it gets no chance to say anything. */
  kill(): void;
  stop(): Promise<void>;
}

/** Start a process and wait until it says that it is ready. Throws the error it printed. */
export async function startActor(options: ActorOptions): Promise<Actor> {
  const log = openSync(options.logFile, 'a', 0o600);
  const child = spawn(process.execPath, options.args, {
    // The channel is a lifeline: it closes when we die, however we die, and the child ends then.
    stdio: ['ignore', 'pipe', log, 'ipc'],
    // Ctrl-C reaches the whole foreground group at once; we stop our processes in order instead.
    detached: true,
    env: { ...process.env, ...options.env },
  });
  closeSync(log);
  let actor: Actor | undefined;
  child.on('message', (message) => {
    if (actor !== undefined) {
      options.onMessage?.(message, actor);
    }
  });
  try {
    actor = actorOf(options.name, child, await firstLine(child, options));
    return actor;
  } catch (err) {
    child.kill('SIGKILL');
    throw err;
  }
}

function actorOf(name: string, child: ChildProcess, said: Readonly<Record<string, unknown>>): Actor {
  const pid = child.pid ?? 0;
  return {
    name,
    pid,
    said,
    tell: (message) => void (child.connected && child.send(message)),
    kill: () => void child.kill('SIGKILL'),
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        await endProcess(pid);
      }
    },
  };
}

/** Run a program that prints one line of JSON and ends. */
export async function runProgram(options: Omit<ActorOptions, 'onMessage'>): Promise<Record<string, unknown>> {
  const log = openSync(options.logFile, 'a', 0o600);
  const child = spawn(process.execPath, options.args, {
    stdio: ['ignore', 'pipe', log],
    env: { ...process.env, ...options.env },
  });
  closeSync(log);
  return await firstLine(child, options).finally(() => child.kill());
}

function firstLine(
  child: ChildProcess,
  { name, logFile }: Pick<ActorOptions, 'name' | 'logFile'>,
): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const fail = (why: string): void =>
      reject(meshError('internal', { where: `${name} ${why}${lastWords(logFile)}` }));
    const timer = setTimeout(() => fail(`said nothing for ${READY_MS} ms`), READY_MS);
    child.once('error', () => fail('could not be started'));
    child.once('exit', (code, signal) => fail(`ended (${signal ?? code}) before it was ready`));
    if (child.stdout !== null) {
      // Read to the end, so that the child never blocks on a full pipe.
      createInterface({ input: child.stdout }).on('line', (line) => {
        clearTimeout(timer);
        const said = JSON.parse(line) as Record<string, unknown>;
        return said['error'] === undefined ? resolve(said) : reject(fromBody(said['error']));
      });
    }
  });
}

/** The end of a log: its folder will not outlive the demo. */
function lastWords(logFile: string): string {
  const text = readFileSync(logFile, 'utf8').trim();
  return text === '' ? '' : `: ${text.slice(-LOG_CHARS)}`;
}

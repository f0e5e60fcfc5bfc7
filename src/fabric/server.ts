/**
 * A nats-server of our own: found, configured, started, reloaded and stopped. It logs to a file and takes no signal of
 * the terminal, so that Ctrl-C stops the mesh in its own order.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { join, resolve } from 'node:path';
import { meshError, type MeshError } from '../wire/errors.js';
import { places, prepareFolder, textIfAny, writeWhole } from './folder.js';
import { createUserKey } from './keys.js';
import { commandOf, endProcess, isAlive } from './processes.js';
import { provideServer } from './server-binary.js';
import { writeServerConf, type Sync } from './server-conf.js';
import type { FetchOptions } from './server-fetch.js';
import { bare, LogTail } from './server-log.js';
import { setIdentity } from './users.js';

/** How to start a server. */
export interface ServerOptions extends FetchOptions {
  readonly dir: string;
  /** A free one is chosen when none is given. */
  readonly port?: number;
  readonly sync?: Sync;
  /** Let it ask identity who connects; default: it knows all users itself. */
  readonly identity?: boolean;
}

/** A running server. */
export interface ServerHandle {
  readonly dir: string;
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly version: string;
  readonly logFile: string;
  /** Resolves when the process has ended, whoever ended it. */
  readonly exited: Promise<void>;
  /** Read the configuration and the users again. */
  reload(): Promise<void>;
  stop(): Promise<void>;
  /** End it as a crash would. */
  kill(): void;
}

const READY_IDLE_MS = 10_000;
const RELOAD_MS = 5_000;

/** Start a server and wait until it takes connections and its streams are restored. */
export async function startServer(options: ServerOptions): Promise<ServerHandle> {
  const dir = resolve(options.dir);
  const sync = options.sync ?? 'default';
  const binary = await provideServer(options);
  prepareFolder(dir);
  await endOrphan(dir);
  writeWhole(join(dir, places.serverOwner), `${process.pid}\n`);
  setIdentity(dir, options.identity === true);
  const { publicKey: nobody } = createUserKey();
  const conf = writeServerConf({ dir, port: options.port ?? -1, sync, nobody });
  const logFile = join(dir, places.serverLog);
  const tail = new LogTail(logFile);
  const running = launch(binary, conf);
  const { port, version } = await untilReady(running, tail, options.port);
  writeServerConf({ dir, port, sync, nobody }); // a reload compares ports, so write down the one that was chosen
  return handleOf(running, {
    dir,
    url: `nats://127.0.0.1:${port}`,
    port,
    pid: running.pid,
    version,
    logFile,
  });
}

interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly exited: Promise<void>;
  readonly over: () => boolean;
  /** What it said before it had a log file. */
  readonly said: () => string;
}

function launch(binary: string, conf: string): Running {
  const child = spawn(binary, ['-c', conf], { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
  let text = '';
  let over = false;
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (text = (text + chunk).slice(-4_096)));
  const exited = new Promise<void>((done) => {
    child.once('error', (err) => ((text = err.message), (over = true), done()));
    child.once('close', () => ((over = true), done()));
  });
  const running = { child, pid: child.pid ?? 0, exited, over: () => over, said: () => text };
  if (running.pid > 0) {
    holdLifeline(running); // from the first moment: we may be killed before it is ready
  }
  return running;
}

async function untilReady(
  running: Running,
  tail: LogTail,
  wanted: number | undefined,
): Promise<{ port: number; version: string }> {
  let port = 0;
  let version = '';
  let worst = '';
  const ready = await tail.until(
    (line) => {
      worst = /\[(?:ERR|FTL)\]/.test(line) ? bare(line) : worst;
      version = /\[INF\] +Version: +(\S+)/.exec(line)?.[1] ?? version;
      port = Number(/Listening for client connections on \S+:(\d+)/.exec(line)?.[1] ?? port);
      return line.includes('Server is ready') ? true : undefined;
    },
    READY_IDLE_MS,
    running.over,
  );
  if (ready === true && port > 0) {
    return { port, version };
  }
  running.child.kill('SIGKILL');
  throw startError(`${worst}\n${running.said()}`.trim(), wanted);
}

function startError(text: string, port: number | undefined): MeshError {
  if (/address already in use/.test(text)) {
    return meshError('port_in_use', { port: port ?? 'of the server' });
  }
  const why =
    text.split('\n').find((line) => line.trim() !== '') ?? `nothing was heard for ${READY_IDLE_MS} ms`;
  return meshError('server_failed', { why });
}

type Facts = Omit<ServerHandle, 'exited' | 'reload' | 'stop' | 'kill'>;

function handleOf(running: Running, facts: Facts): ServerHandle {
  const { child, exited } = running;
  child.unref(); // it must not keep a finished program alive; the lifeline then ends it
  (child.stderr as { unref?: () => void } | null)?.unref?.();
  return {
    ...facts,
    exited,
    reload: () => reloadServer(facts.pid, facts.logFile),
    stop: async () => {
      child.ref(); // its end is waited for now
      (child.stderr as { ref?: () => void } | null)?.ref?.();
      await endProcess(facts.pid);
      await exited;
    },
    kill: () => void child.kill('SIGKILL'),
  };
}

/**
 * End the server when this process ends, also when it is killed hard: a shell waits for the end of its input, which
 * comes when we are gone, however we went.
 */
function holdLifeline({ child, pid, exited }: Running): void {
  const atExit = (): void => void child.kill('SIGTERM');
  process.once('exit', atExit);
  const watcher = spawn('sh', ['-c', 'read _; kill "$1"', 'lifeline', String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  watcher.on('error', () => undefined); // no shell: then only an orderly exit ends the server
  watcher.unref();
  (watcher.stdin as { unref?: () => void } | null)?.unref?.();
  void exited.then(() => {
    process.off('exit', atExit);
    watcher.kill('SIGKILL'); // before its input ends: the id may belong to somebody else by then
  });
}

/** Make a server read its configuration again; works from any process of the same user. */
export async function reloadServer(pid: number, logFile: string): Promise<void> {
  const tail = new LogTail(logFile);
  try {
    process.kill(pid, 'SIGHUP');
  } catch (err) {
    throw meshError('server_failed', { why: `process ${pid} could not be told to reload` }, err);
  }
  const said = await tail.until(
    (line) =>
      /Reloaded server configuration|Failed to reload server configuration/.test(line)
        ? bare(line)
        : undefined,
    RELOAD_MS,
    () => !isAlive(pid),
  );
  if (said?.includes('Failed') !== false) {
    throw meshError('server_failed', { why: said ?? `it did not reload within ${RELOAD_MS} ms` });
  }
}

/**
 * Two servers on one store destroy it: refuse when somebody runs one here, and end one that an earlier run, killed
 * hard, has left behind.
 */
async function endOrphan(dir: string): Promise<void> {
  const pid = serverPid(dir);
  const owner = Number(textIfAny(join(dir, places.serverOwner)) ?? 0);
  if (pid === undefined) {
    return;
  }
  if (owner > 0 && isAlive(owner)) {
    throw meshError('already_running', { folder: dir, pid: owner });
  }
  await endProcess(pid);
}

/** The process id of the server that runs on this folder, if one does. */
export function serverPid(dir: string): number | undefined {
  const pid = Number(textIfAny(join(dir, places.serverPid)) ?? 0);
  return pid > 0 && isAlive(pid) && commandOf(pid).includes(places.serverConf) ? pid : undefined;
}

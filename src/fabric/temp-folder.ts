/**
 * Temporary folders that clean up after each other: each says whose it is, so what a killed process left behind is
 * found and removed by the next one.
 */
import { lstatSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive } from './processes.js';
import { serverPid } from './server.js';

const MARK = '.capmesh-owner';
/** Where the data folder of a mesh lies in it. */
const DATA = 'mesh';

/** A temporary folder of this process. */
export interface TempFolder {
  readonly dir: string;
  /** A place in it for the data folder of a mesh; not made yet. */
  readonly data: string;
  remove(): void;
}

/** Make one whose name begins with `prefix`, and remove those of this prefix whose process is dead. */
export function tempFolder(prefix: string): TempFolder {
  sweep(prefix);
  const dir = mkdtempSync(join(tmpdir(), prefix));
  writeFileSync(join(dir, MARK), `${process.pid} ${hostname()}\n`, { mode: 0o600 });
  return { dir, data: join(dir, DATA), remove: () => rmSync(dir, { recursive: true, force: true }) };
}

function sweep(prefix: string): void {
  for (const name of readdirSync(tmpdir()).filter((one) => one.startsWith(prefix))) {
    const dir = join(tmpdir(), name);
    try {
      if (isAbandoned(dir)) {
        rmSync(dir, { recursive: true, force: true });
      }
    } catch {
      // not ours to read, or somebody else removes it right now
    }
  }
}

/**
 * Ours, marked by a process of this machine that is dead, and no server works there any more. A process id that was
 * given to somebody else only keeps the folder; a machine is told by its name, because containers may share a folder
 * and not their process ids.
 */
function isAbandoned(dir: string): boolean {
  const { uid } = lstatSync(dir);
  const [, pid, host] = /^(\d+) (.*)\n$/.exec(readFileSync(join(dir, MARK), 'utf8')) ?? [];
  return (
    uid === process.getuid?.() &&
    lstatSync(dir).isDirectory() &&
    host === hostname() &&
    !isAlive(Number(pid)) &&
    serverPid(join(dir, DATA)) === undefined
  );
}

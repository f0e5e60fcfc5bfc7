/**
 * The command `mesh`, as a process of its own.
 */
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | undefined;
  /** The mesh it is for; without one it takes what it finds. */
  readonly on?: { readonly dir: string; readonly url: string };
}

/** Run a command to its end. Of our own variables it has only those that are given. */
export function mesh(args: readonly string[], { cwd, env = {}, stdin, on }: RunOptions = {}): Promise<Ran> {
  const foreign = Object.entries(process.env).filter(([name]) => !/^(MESH|NATS)_/.test(name));
  const options = { cwd: cwd ?? process.cwd(), env: { ...Object.fromEntries(foreign), ...env } };
  const where = on === undefined ? [] : ['--data', on.dir, '--url', on.url];
  const words = [resolve('bin/mesh.js'), ...args, ...where];
  return new Promise((done) => {
    const child = execFile(process.execPath, words, options, (err, out, errors) =>
      done({ code: err === null ? 0 : Number(err.code), out, err: errors }),
    );
    child.stdin?.end(stdin);
  });
}

/** The lines of JSON that a command printed. */
export function linesOf<T>({ out }: Ran): T[] {
  return out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}

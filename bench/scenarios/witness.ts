/**
 * The witness: files outside the mesh to which agents say what they do, at the moment they do it. Who judges reads them.
 * Each process has a file of its own, so that no two write into one line.
 */
import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Says one thing. */
export type Say = (line: object) => void;

/** Open the witness for saying. One line is one write: whole also when the process is killed. */
export function openWitness(folder: string): { readonly say: Say; readonly close: () => void } {
  const to = openSync(join(folder, `${process.pid}.ndjson`), 'a', 0o600);
  return {
    say: (line) => void writeSync(to, `${JSON.stringify(line)}\n`),
    close: () => closeSync(to),
  };
}

/** Everything that was said, process by process. A line that is being written is not said yet. */
export function readWitness<T>(folder: string): T[] {
  return readdirSync(folder).flatMap((name) =>
    readFileSync(join(folder, name), 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as T),
  );
}

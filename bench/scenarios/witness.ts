/**
 * The witness: a file outside the mesh to which agents say what they do, at the moment they do it. Who judges reads it.
 */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

/** Says one thing. */
export type Say = (line: object) => void;

/** Open the file for saying. One line is one write: whole also when the process is killed. */
export function openWitness(file: string): { readonly say: Say; readonly close: () => void } {
  const to = openSync(file, 'a', 0o600);
  return {
    say: (line) => void writeSync(to, `${JSON.stringify(line)}\n`),
    close: () => closeSync(to),
  };
}

/** Everything that was said. */
export function readWitness<T>(file: string): T[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}

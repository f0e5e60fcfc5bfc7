/**
 * `mesh call --each`: one call for each line of a file, as many at a time as asked, and what became of them.
 */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { ManyOptions, ManyResult, Mesh } from '../../agent/index.js';
import { asMeshError, meshError, type MeshError } from '../../wire/errors.js';
import { decodeJson, type Json } from '../../wire/json.js';
import { limits } from '../../wire/limits.js';
import { exitOfError, exits, note, safe, sayError, sayJson, say } from '../output.js';
import { Progress } from '../progress.js';

/** How many ended how. */
interface Tally {
  readonly counts: Map<string, number>;
  readonly exits: Set<number>;
  done: number;
}

/** A line that is no body: it fails alone, as a call would. */
interface BadLine {
  readonly line: number;
  readonly error: MeshError;
}

/** Call for each line. Returns the exit code. Throws usage when the file cannot be read. */
export async function callEachLine(
  mesh: Mesh,
  capability: string,
  file: string,
  options: ManyOptions,
  json: boolean,
): Promise<number> {
  const progress = new Progress(file === '-' ? undefined : await countLines(file));
  const tally: Tally = { counts: new Map(), exits: new Set(), done: 0 };
  const lines = new Map<number, number>();
  const tell = (line: number, result: ManyResult<Json> | BadLine): void => {
    count(tally, result.error);
    progress.clear();
    print(line, result, json);
    progress.tell(tally.done, tally.done - (tally.counts.get('completed') ?? 0));
  };
  const bodies = bodiesOf(file, lines, (bad) => tell(bad.line, bad));
  for await (const result of mesh.callMany(capability, bodies, options)) {
    tell(lines.get(result.index) ?? 0, result);
    lines.delete(result.index);
  }
  progress.clear();
  summary(tally, json);
  return [exits.failed, exits.refused, exits.open].find((code) => tally.exits.has(code)) ?? exits.completed;
}

/** The bodies in the order of their lines; `lines` learns the number of each. Empty lines are none. */
async function* bodiesOf(
  file: string,
  lines: Map<number, number>,
  onBad: (bad: BadLine) => void,
): AsyncGenerator<Json, void, void> {
  let line = 0;
  let index = 0;
  for await (const text of linesOf(file)) {
    line++;
    if (text.trim() === '') {
      continue;
    }
    let body: Json;
    try {
      body = decodeJson(Buffer.from(text), limits.bodyCheckBytes);
    } catch (err) {
      onBad({ line, error: asMeshError(err, 'a line') });
      continue;
    }
    lines.set(index++, line);
    yield body;
  }
}

function linesOf(file: string): AsyncIterable<string> {
  const input = file === '-' ? process.stdin : createReadStream(file);
  return createInterface({ input, crlfDelay: Infinity });
}

/** How many lines have something on them. Throws usage. */
async function countLines(file: string): Promise<number> {
  let lines = 0;
  try {
    let blank = true;
    for await (const chunk of createReadStream(file, 'latin1') as AsyncIterable<string>) {
      for (const c of chunk) {
        lines += c === '\n' && !blank ? 1 : 0;
        blank = c === '\n' || (blank && c.trim() === '');
      }
    }
    return lines + (blank ? 0 : 1);
  } catch (err) {
    const why = err instanceof Error ? err.message : String(err);
    throw meshError('usage', { why: `the file of --each cannot be read: ${why}` }, err);
  }
}

function count(tally: Tally, error: MeshError | undefined): void {
  const status = error === undefined ? 'completed' : (error.status ?? 'not sent');
  tally.done++;
  tally.counts.set(status, (tally.counts.get(status) ?? 0) + 1);
  tally.exits.add(error === undefined ? exits.completed : exitOfError(error));
}

function print(line: number, result: ManyResult<Json> | BadLine, json: boolean): void {
  const { error } = result;
  if (json && error !== undefined) {
    const status = error.status === undefined ? {} : { status: error.status };
    sayJson({ line, ...status, error: error.toBody() });
  } else if (error !== undefined) {
    note(`line ${line}:`);
    sayError(error, false);
  } else if ('value' in result) {
    const { call, agent, attempt, seq, value } = result;
    if (json) {
      sayJson({ line, status: 'completed', value, call, agent, attempt, seq });
    } else {
      say(`${line}\t${safe(JSON.stringify(value))}`);
    }
  }
}

function summary({ counts, done }: Tally, json: boolean): void {
  const parts = [...counts].map(([status, n]) => `${n} ${status}`);
  const text = done === 0 ? 'no calls: there is no line' : `${done} calls: ${parts.join(', ')}`;
  if (!json || process.stderr.isTTY) {
    note(text);
  }
}

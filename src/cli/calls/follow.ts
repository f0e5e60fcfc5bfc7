/**
 * Following a call: its partial outputs as they come, its questions where somebody sits at the keyboard, its end.
 */
import { createInterface } from 'node:readline/promises';
import type { CallStream, Json, OnQuestion, Outcome } from '../../agent/index.js';
import { exits, note, safe, say, sayJson } from '../output.js';

/** Print the partial outputs, then the outcome. Rejects with what the call ends with. */
export async function follow(stream: CallStream, json: boolean): Promise<void> {
  for await (const { n, attempt, value } of stream) {
    if (json) {
      sayJson({ part: n, attempt, value });
    } else {
      say(safe(typeof value === 'string' ? value : JSON.stringify(value)));
    }
  }
  sayOutcome(await stream.outcome, json);
}

/** Print a completed outcome. */
export function sayOutcome(outcome: Outcome<unknown>, json: boolean): void {
  if (Buffer.isBuffer(outcome.value)) {
    sayBytes(outcome, outcome.value, json);
  } else if (json) {
    sayJson({ status: 'completed', ...outcome });
  } else {
    say(...JSON.stringify(outcome.value, undefined, 2).split('\n').map(safe));
  }
  process.exitCode = exits.completed;
}

/** Raw bytes to stdout as they are, if nobody would have to look at them. */
function sayBytes(outcome: Outcome<unknown>, bytes: Buffer, json: boolean): void {
  if (json) {
    const value = { bytes: bytes.length, base64: bytes.toString('base64') };
    sayJson({ status: 'completed', ...outcome, value });
  } else if (process.stdout.isTTY) {
    note(`${bytes.length} bytes that are no text; send them to a file with > file`);
  } else {
    process.stdout.write(bytes);
  }
}

/** Asks the person at the terminal; undefined where nobody sits. An answer that is no JSON is taken as text. */
export function questioner(): OnQuestion | undefined {
  return process.stdin.isTTY === true && process.stderr.isTTY === true ? askPerson : undefined;
}

async function askPerson(question: Json): Promise<Json> {
  note(safe(typeof question === 'string' ? question : JSON.stringify(question)));
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const line = await lines.question('> ');
    return valueOf(line);
  } finally {
    lines.close();
  }
}

/** JSON as it stands, anything else as text. */
export function valueOf(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

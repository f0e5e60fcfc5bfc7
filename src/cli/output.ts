/**
 * What the commands print, and the code they exit with. Facts go to stdout, notes to stderr; with `--json` stdout
 * holds one JSON value per line and nothing else.
 */
import { inspect } from 'node:util';
import { createColors } from 'picocolors';
import { asMeshError, MeshError, type ErrorCode } from '../wire/errors.js';
import type { OutcomeRecord } from '../wire/generated/messages.js';

/** How a call ended. */
export type Status = OutcomeRecord['status'];

/** The exit codes. */
export const exits = { completed: 0, failed: 1, usage: 2, refused: 3, open: 4 } as const;

const BY_STATUS: Readonly<Record<Status, number>> = {
  completed: exits.completed,
  failed: exits.failed,
  cancelled: exits.failed,
  refused: exits.refused,
  expired: exits.open,
  unknown: exits.open,
};

const BY_CODE: Partial<Record<ErrorCode, number>> = {
  usage: exits.usage,
  name_invalid: exits.usage,
  no_agent: exits.open,
  deadline_exceeded: exits.open,
  attempt_lost: exits.open,
  outcome_pending: exits.open,
  poison: exits.open,
  not_found: exits.failed,
  cancelled: exits.failed,
  closed: exits.failed,
};

/** Errors of these classes say that something broke; the others say that somebody was told no. */
const BROKEN = new Set(['agent', 'broker', 'config']);

/** The exit code for the status of an outcome. */
export function exitOfStatus(status: Status): number {
  return BY_STATUS[status];
}

/** The exit code for an error. */
export function exitOfError(err: unknown): number {
  if (!(err instanceof MeshError)) {
    return exits.failed;
  }
  if (err.status !== undefined && Object.hasOwn(BY_STATUS, err.status)) {
    return exitOfStatus(err.status as Status); // the error is an outcome
  }
  return BY_CODE[err.code] ?? (BROKEN.has(err.class) ? exits.failed : exits.refused);
}

/** Colours of stdout; plain text when it is not a terminal or NO_COLOR is set. */
export const paint = createColors(process.stdout.isTTY === true && process.env['NO_COLOR'] === undefined);
const paintError = createColors(process.stderr.isTTY === true && process.env['NO_COLOR'] === undefined);

/** Print lines for a person. */
export function say(...lines: string[]): void {
  process.stdout.write(lines.map((line) => `${line}\n`).join(''));
}

/** Say something that is no part of the result. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`);
}

const OBEYED = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Text of others for a terminal: what would steer it, or cannot be seen there, is shown as an escape. */
export function safe(text: string): string {
  return text.replace(OBEYED, (c) => {
    const hex = (c.codePointAt(0) ?? 0).toString(16).padStart(4, '0');
    return hex.length > 4 ? `\\u{${hex}}` : `\\u${hex}`;
  });
}

/** Print one value as one line of JSON. */
export function sayJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Print an error: code and sentence, and what to do now. With `json` it is the JSON value of this run. */
export function sayError(thrown: unknown, json: boolean): void {
  const err = asMeshError(thrown, 'mesh');
  if (json) {
    sayJson({ error: err.toBody() });
    return;
  }
  note(`${paintError.red(`[${err.code}]`)} ${safe(err.sentence)}`);
  const findings: unknown = err.details['findings'];
  (Array.isArray(findings) ? findings : []).forEach((one) => note(`  - ${safe(String(one))}`));
  note(`${paintError.dim('what now:')} ${err.help}`);
  if (err.code === 'internal' && err.cause !== undefined) {
    note(paintError.dim(inspect(err.cause)));
  }
}

/** Columns of the terminal: what it says, else COLUMNS, else 100. Never fewer than 20. */
export function columns(): number {
  const told = Number(process.env['COLUMNS']);
  const own = process.stdout.columns ?? (Number.isInteger(told) && told > 0 ? told : 100);
  return Math.max(20, own);
}

/** A text cut to a width, with a mark where it was cut. The text holds no colours. */
export function clip(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, Math.max(0, max - 1))}…`;
}

/** Rows in columns that line up; colour codes do not count as width. */
export function table(rows: readonly (readonly string[])[], head?: readonly string[]): string[] {
  const all = head === undefined ? rows : [head.map((word) => paint.dim(word)), ...rows];
  const widths: number[] = [];
  for (const row of all) {
    row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, width(cell))));
  }
  return all.map((row) =>
    row
      .map((cell, i) => cell + ' '.repeat((widths[i] ?? 0) - width(cell)))
      .join('  ')
      .trimEnd(),
  );
}

/** Width of a text on the terminal, colours aside. */
export function width(text: string): number {
  // eslint-disable-next-line no-control-regex -- colour codes begin with ESC
  return text.replace(/\u001b\[\d+m/g, '').length;
}

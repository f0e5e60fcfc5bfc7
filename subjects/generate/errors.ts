/** Reads `schemas/errors.json`, refuses what is not complete, and writes the table of errors. */
import { readFileSync } from 'node:fs';
import { banner, literal } from './rows.js';

const classes = ['input', 'authority', 'state', 'capacity', 'agent', 'broker', 'config'];

/** What a retry means, as the reference says it. */
export const retries: Readonly<Record<string, string>> = {
  never: 'Change something first.',
  same_id: 'Ask again with the same call id.',
  later: 'Wait, then make a new call.',
  check: 'An effect may have happened: look before you repeat.',
};

/** One row of `schemas/errors.json`. */
export interface ErrorRow {
  readonly class: string;
  readonly retry: string;
  readonly message: string;
  readonly help: string;
}

/** The errors by code. Throws a sentence that names the first bad row. */
export function readErrors(): Record<string, ErrorRow> {
  const { errors } = JSON.parse(readFileSync('schemas/errors.json', 'utf8')) as {
    errors: Record<string, ErrorRow>;
  };
  for (const [name, row] of Object.entries(errors)) {
    checkError(name, row);
  }
  return errors;
}

/** Refuse a row that would leave its reader without an answer. */
export function checkError(name: string, row: Partial<ErrorRow>): void {
  const bad = (why: string) => new Error(`schemas/errors.json: ${name} ${why}`);
  if (!/^[a-z]+(_[a-z]+)*$/.test(name)) {
    throw bad('is not a code; write lowercase words joined by _');
  }
  if (!row.help?.trim()) {
    throw bad('has no help; say in one sentence what to do now');
  }
  if (!row.message?.trim()) {
    throw bad('has no message; say in one sentence what happened and where');
  }
  if (!classes.includes(row.class ?? '')) {
    throw bad(`has the class ${row.class}; use one of ${classes.join(', ')}`);
  }
  if (!Object.hasOwn(retries, row.retry ?? '')) {
    throw bad(`has the retry ${row.retry}; use one of ${Object.keys(retries).join(', ')}`);
  }
}

/** `src/wire/generated/errors.ts` */
export function errorsFile(): string {
  const union = (words: readonly string[]) => words.map((w) => `'${w}'`).join(' | ');
  return `${banner}/** Part of the mesh that an error comes from. */
export type ErrorClass = ${union(classes)};

/** What a retry means. */
export type Retry = ${union(Object.keys(retries))};

/** Every error of the mesh. */
export const errorTable = ${literal(readErrors())} as const satisfies Record<
  string,
  { class: ErrorClass; retry: Retry; message: string; help: string }
>;

/** A stable code. */
export type ErrorCode = keyof typeof errorTable;
`;
}

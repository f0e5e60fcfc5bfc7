/**
 * Secrets of what is mounted. They come from the environment, or from a file that nobody else can read: a command line
 * can be read by everybody on the machine.
 */
import { readFileSync, statSync } from 'node:fs';
import { meshError } from '../../wire/errors.js';

/** The value of a variable. Throws config_missing. */
export function secretIn(variable: string): string {
  const value = process.env[variable];
  if (value === undefined || value === '') {
    throw meshError('config_missing', { what: `the variable ${variable}` });
  }
  return value;
}

/** The text of a file, without white space around it. Throws config_missing, and config_invalid when others can read it. */
export function secretFrom(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (err) {
    throw meshError('config_missing', { what: `a readable file ${file}` }, err);
  }
  if (process.platform !== 'win32' && (statSync(file).mode & 0o077) !== 0) {
    throw meshError('config_invalid', { file, where: 'its mode', why: 'others can read it: chmod 600' });
  }
  return checkedSecret(text, file);
}

/** A secret that can stand in a header. Throws config_invalid, which does not quote it. */
export function checkedSecret(text: string, from: string): string {
  if (!/^[\x21-\x7e]{1,4096}$/.test(text)) {
    const why = 'it must be one line of 1 to 4096 printable characters without spaces';
    throw meshError('config_invalid', { file: from, where: 'the key', why });
  }
  return text;
}

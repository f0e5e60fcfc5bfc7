/**
 * A grant as a command is given it.
 */
import { readFileSync } from 'node:fs';
import { meshError } from '../../wire/errors.js';

/** The text itself, @file, or - for stdin. Throws `usage`. */
export function grantText(given: string): string {
  try {
    const file = given === '-' ? 0 : given.startsWith('@') ? given.slice(1) : undefined;
    return (file === undefined ? given : readFileSync(file, 'utf8')).trim();
  } catch (err) {
    const why = `the grant cannot be read: ${err instanceof Error ? err.message : String(err)}`;
    throw meshError('usage', { why }, err);
  }
}

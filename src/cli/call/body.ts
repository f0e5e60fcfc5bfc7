/**
 * The body that a command gives: as an argument, from a file, from stdin.
 */
import { readFileSync } from 'node:fs';
import { meshError, MeshError } from '../../wire/errors.js';
import { decodeJson, type Json } from '../../wire/json.js';
import { limits } from '../../wire/limits.js';

/** The body as it was given. Throws `usage`. */
export function bodyOf(given: string | undefined): Json {
  try {
    const bytes = given === undefined ? undefined : bytesOf(given);
    JSON.parse(Buffer.from(bytes ?? 'null').toString()); // its error says where
    return bytes === undefined ? null : decodeJson(bytes, limits.bodyCheckBytes);
  } catch (err) {
    const why = err instanceof MeshError ? err.sentence : String(err instanceof Error ? err.message : err);
    throw meshError('usage', { why: `the body is not one JSON value: ${why}` }, err);
  }
}

/** The body as it lies there. Throws `usage`. */
export function rawBytes(given = ''): Uint8Array {
  try {
    return bytesOf(given);
  } catch (err) {
    throw meshError(
      'usage',
      { why: `the body cannot be read: ${String(err instanceof Error ? err.message : err)}` },
      err,
    );
  }
}

function bytesOf(given: string): Uint8Array {
  const file = given === '-' ? 0 : given.startsWith('@') ? given.slice(1) : undefined;
  const bytes = file === undefined ? Buffer.from(given) : readFileSync(file);
  if (bytes.length === 0) {
    throw new Error('it is empty');
  }
  return bytes;
}

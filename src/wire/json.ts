/**
 * Bodies: one strict JSON value within bounds. Everything `JSON.parse` lets through silently is refused here:
 * duplicate keys, `__proto__`, numbers that lose precision, depth and size without end.
 */
import { meshError } from './errors.js';
import { limits } from './limits.js';

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Any JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/**
 * Decode a body. An empty body is `null`.
 * Throws body_too_large, body_undecodable, body_too_deep, body_too_many, body_key, body_number.
 */
export function decodeJson(bytes: Uint8Array, maxBytes: number = limits.bodyBytes): Json {
  if (bytes.length > maxBytes) {
    throw meshError('body_too_large', { bytes: bytes.length, maxBytes });
  }
  if (bytes.length === 0) {
    return null;
  }
  const keys = scan(bytes);
  let value: Json;
  try {
    value = JSON.parse(strict.decode(bytes)) as Json;
  } catch {
    throw meshError('body_undecodable', { why: 'not one UTF-8 JSON value' });
  }
  const walk: Walk = { keys: 0, values: 0 };
  visit(value, '', 0, walk);
  if (walk.keys !== keys) {
    throw meshError('body_key', { pointer: '(a key stands twice)' });
  }
  return value;
}

/** Count the keys of the text (colons outside of strings) and refuse depth before anything is allocated. */
function scan(bytes: Uint8Array): number {
  let colons = 0;
  let depth = 0;
  let inString = false;
  for (let i = 0; i < bytes.length; i++) {
    const c = bytes[i];
    if (inString) {
      if (c === 0x5c) {
        i++;
      } else if (c === 0x22) {
        inString = false;
      }
    } else if (c === 0x22) {
      inString = true;
    } else if (c === 0x3a) {
      colons++;
    } else if (c === 0x7b || c === 0x5b) {
      if (++depth > limits.bodyDepth) {
        throw meshError('body_too_deep', { max: limits.bodyDepth, pointer: `byte ${i}` });
      }
    } else if (c === 0x7d || c === 0x5d) {
      depth--;
    }
  }
  return colons;
}

interface Walk {
  keys: number;
  values: number;
}

function visit(value: Json, pointer: string, depth: number, walk: Walk): void {
  if (++walk.values > limits.bodyValues) {
    throw meshError('body_too_many', { max: limits.bodyValues });
  }
  if (typeof value === 'number') {
    if (!(value <= Number.MAX_SAFE_INTEGER && value >= -Number.MAX_SAFE_INTEGER)) {
      throw meshError('body_number', { pointer: pointer || '/' });
    }
  } else if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      visit(value[i] as Json, `${pointer}/${i}`, depth + 1, walk);
    }
  } else if (typeof value === 'object' && value !== null) {
    visitObject(value, pointer, depth, walk);
  }
}

function visitObject(value: { [key: string]: Json }, pointer: string, depth: number, walk: Walk): void {
  for (const key of Object.keys(value)) {
    walk.keys++;
    if (key === '__proto__') {
      throw meshError('body_key', { pointer: `${pointer}/__proto__` });
    }
    const inner = value[key] as Json;
    // Scalars inside are the common case: no pointer is built for what cannot fail.
    if (typeof inner === 'string' || typeof inner === 'boolean' || inner === null || isSafe(inner)) {
      walk.values++;
    } else {
      visit(inner, `${pointer}/${key}`, depth + 1, walk);
    }
  }
}

function isSafe(value: Json): boolean {
  return typeof value === 'number' && value <= Number.MAX_SAFE_INTEGER && value >= -Number.MAX_SAFE_INTEGER;
}

/** Encode a value; `undefined` becomes null. Throws body_undecodable for what JSON cannot carry, body_too_large. */
export function encodeJson(value: unknown, maxBytes: number = limits.bodyBytes): Uint8Array {
  let text: string;
  try {
    text = JSON.stringify(value) ?? 'null';
  } catch {
    throw meshError('body_undecodable', { why: 'the value has a circle or a bigint' });
  }
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length > maxBytes) {
    throw meshError('body_too_large', { bytes: bytes.length, maxBytes });
  }
  return bytes;
}

/**
 * Names: the only strings that may become subject tokens.
 *
 * The grammar is `[a-z0-9_-]{1,64}` (a safe subset of what NATS ADR-6 calls a restricted term); a capability is one
 * to eight tokens joined by dots. The brands make it a compile error to build a subject from an unchecked string.
 */
import { meshError } from './errors.js';

declare const token: unique symbol;
declare const capability: unique symbol;
/** A checked subject token. */
export type Token = string & { readonly [token]: true };
/** A checked capability name: 1–8 tokens. */
export type Capability = string & { readonly [capability]: true };

const TOKEN = /^[a-z0-9_-]{1,64}$/;
const CAPABILITY = /^[a-z0-9_-]{1,64}(?:\.[a-z0-9_-]{1,64}){0,7}$/;

/** True when the value is a token. */
export function isToken(value: unknown): value is Token {
  return typeof value === 'string' && TOKEN.test(value);
}

/** True when the value is a capability. */
export function isCapability(value: unknown): value is Capability {
  return typeof value === 'string' && value.length <= 519 && CAPABILITY.test(value);
}

/** Names with a meaning of their own; no agent or caller may have one. */
export const reservedNames: ReadonlySet<string> = new Set([
  'any',
  'none',
  'gateway',
  'control',
  'operator',
  'sys',
]);

/** The value as a token. Throws `name_invalid`; `where` says which name it was meant to be. */
export function asToken(value: unknown, where: string): Token {
  if (isToken(value)) {
    return value;
  }
  throw meshError('name_invalid', { value: clip(value), where });
}

/** The value as a capability. Throws `name_invalid`. */
export function asCapability(value: unknown, where = 'capability'): Capability {
  if (isCapability(value)) {
    return value;
  }
  throw meshError('name_invalid', { value: clip(value), where });
}

/** Capability patterns: `*` stands for one token, `>` for one or more at the end (as in NATS subjects). */
export function isPattern(value: string): boolean {
  const tokens = value.split('.');
  return (
    tokens.length <= 8 &&
    tokens.every((t, i) => t === '*' || (t === '>' && i === tokens.length - 1) || TOKEN.test(t))
  );
}

/** Does the capability fall under the pattern? */
export function matches(pattern: string, name: string): boolean {
  const want = pattern.split('.');
  const have = name.split('.');
  for (let i = 0; i < want.length; i++) {
    if (want[i] === '>') {
      return have.length > i;
    }
    if (have[i] === undefined || (want[i] !== '*' && want[i] !== have[i])) {
      return false;
    }
  }
  return want.length === have.length;
}

function clip(value: unknown): string {
  const text = typeof value === 'string' ? value : String(value);
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

/**
 * Options of `mesh mount mcp`, as they are typed.
 */
import { InvalidArgumentError } from 'commander';
import type { ToolOverride } from '../../adapters/mcp.js';
import { nearNames } from '../../domain/near.js';

/** By tool, what to say instead of it. */
export type Overrides = Readonly<Record<string, ToolOverride>>;

const READERS: Readonly<Record<string, (value: string) => unknown>> = {
  idempotent: yesOrNo,
  readOnly: yesOrNo,
  attemptMs: wholeNumber,
  lifeMs: wholeNumber,
  costMicros: wholeNumber,
  version: (value) => value,
  proficiency: (value) => value,
};

/** Parser of `tool:key=value`. */
export function collectOverride(text: string, before: Overrides = {}): Overrides {
  const [, tool = '', key = '', value = ''] = /^(.+):(\w+)=(.*)$/.exec(text) ?? [];
  const read = READERS[key];
  if (read === undefined) {
    const [near] = nearNames(key, Object.keys(READERS));
    const hint =
      near === undefined ? `key one of ${Object.keys(READERS).join(', ')}` : `did you mean ${near}?`;
    throw new InvalidArgumentError(`It must be tool:key=value; ${hint}.`);
  }
  return { ...before, [tool]: { ...before[tool], [key]: read(value) } };
}

/** Parser of `key=value`. */
export function collectPair(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) {
    throw new InvalidArgumentError('It must be key=value.');
  }
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

function wholeNumber(text: string): number {
  if (!/^\d{1,12}$/.test(text)) {
    throw new InvalidArgumentError('It must be a whole number.');
  }
  return Number(text);
}

function yesOrNo(text: string): boolean {
  if (text !== 'true' && text !== 'false') {
    throw new InvalidArgumentError('It must be true or false.');
  }
  return text === 'true';
}

/**
 * Which calls a command of `mesh dead` and `mesh parked` means: named ones, or all that fit a filter.
 */
import { InvalidArgumentError, type Command } from 'commander';
import { parseDuration } from '../../domain/config/duration.js';
import { meshError } from '../../wire/errors.js';
import type { View } from '../../wire/generated/messages.js';
import { asToken, isPattern } from '../../wire/names.js';
import type { Operator } from '../operator.js';
import { Prompt } from '../prompt.js';

/** Filters, as the command line gives them. */
export interface FilterOptions {
  readonly capability?: string;
  readonly from?: string;
  readonly olderThan?: number;
  readonly youngerThan?: number;
}

/** What else a command over many takes. */
export interface BulkOptions extends FilterOptions {
  readonly all?: boolean;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

/** What all rows have. */
export interface LaidRow {
  readonly seq: number;
  readonly from: string;
  readonly call: string;
  readonly capability: string;
}

interface Pageful {
  readonly next?: number;
}

/** Options that filter. */
export function filterOptions(command: Command): Command {
  return command
    .option('--from <name>', 'only calls of this caller or agent')
    .option('--older-than <time>', 'only what has lain there for longer, for example 10min or 2d', duration)
    .option('--younger-than <time>', 'only what has lain there for less', duration);
}

/** Options of a command that acts on many. */
export function bulkOptions(command: Command): Command {
  return filterOptions(command)
    .option('--capability <pattern>', 'only capabilities of this pattern', capabilityPattern)
    .option('--all', 'all of them')
    .option('--dry-run', 'change nothing, say what would be done')
    .option('-y, --yes', 'do not ask before many are changed');
}

/** The filter as control takes it. */
export function filterOf({ capability, from, olderThan, youngerThan }: FilterOptions): View {
  const now = Date.now();
  return {
    ...(capability === undefined ? {} : { pattern: capability }),
    ...(from === undefined ? {} : { from: asToken(from, '--from') }),
    ...(olderThan === undefined ? {} : { before: Math.max(0, now - olderThan) }),
    ...(youngerThan === undefined ? {} : { since: Math.max(0, now - youngerThan) }),
  };
}

/** The rows that a command means, and whether it named each. Throws usage, not_found, and what views throw. */
export async function select<R extends LaidRow>(
  operator: Operator,
  what: 'dead' | 'parked',
  names: readonly string[],
  options: BulkOptions,
): Promise<{ rows: R[]; named: boolean }> {
  const filter = filterOf(options);
  const filtered = Object.keys(filter).length > 0;
  if (names.length > 0) {
    if (filtered || options.all === true) {
      throw meshError('usage', { why: 'name calls, or say which with filters, not both' });
    }
    const rows: R[] = [];
    for (const name of names) {
      rows.push(...(await namedRows<R>(operator, what, name)));
    }
    return { rows, named: true };
  }
  if (!filtered && options.all !== true) {
    throw meshError('usage', { why: 'name a call, say which with filters, or say --all' });
  }
  return { rows: await allRows<R>(operator, what, filter), named: false };
}

/** Every row that fits, page by page. */
export async function allRows<R>(operator: Operator, what: 'dead' | 'parked', filter: View): Promise<R[]> {
  const rows: R[] = [];
  for (let after = 0; ;) {
    const page = await operator.view<Pageful>(what, after === 0 ? filter : { ...filter, after });
    rows.push(...((page as unknown as Record<string, R[] | undefined>)[what] ?? []));
    if (page.next === undefined) {
      return rows;
    }
    after = page.next;
  }
}

/** The rows of one call, by `call` or `from.call`. Throws not_found. */
export async function namedRows<R>(operator: Operator, what: 'dead' | 'parked', name: string): Promise<R[]> {
  const dot = name.indexOf('.');
  const call = asToken(name.slice(dot + 1), 'the call');
  const filter: View = dot < 0 ? { call } : { call, from: asToken(name.slice(0, dot), 'who called') };
  const rows = await allRows<R>(operator, what, filter);
  if (rows.length === 0) {
    throw meshError('not_found', { what: `the ${what} call`, name });
  }
  return rows;
}

/** Ask before many are changed. Throws usage where nobody can be asked. */
export async function confirm(question: string, yes: boolean): Promise<boolean> {
  if (yes) {
    return true;
  }
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw meshError('usage', { why: `${question} Say --yes, or look first with --dry-run` });
  }
  const prompt = new Prompt(process.stderr);
  try {
    return /^y(es)?$/i.test(await prompt.ask(`${question} [y/N] `));
  } finally {
    prompt.close();
  }
}

/** Parser of an option that is a duration, in ms. */
export function duration(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) {
    throw new InvalidArgumentError('It must be a duration, for example 30s, 10min, 2h or 7d.');
  }
  return ms;
}

function capabilityPattern(text: string): string {
  if (!isPattern(text)) {
    throw new InvalidArgumentError(
      'It must be a capability pattern: * stands for one word, > for all that follow.',
    );
  }
  return text;
}

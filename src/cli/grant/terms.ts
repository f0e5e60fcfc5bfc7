/**
 * What a grant allows, as options say it.
 */
import { InvalidArgumentError, type Command } from 'commander';
import type { Constraint } from '../../domain/grants/arguments.js';
import { actions, type Action } from '../../domain/grants/claims.js';
import type { Terms } from '../../domain/grants/sign.js';
import { limits } from '../../wire/limits.js';
import { isPattern } from '../../wire/names.js';
import { wholeNumber } from '../calls/ask.js';

/** The options. */
export interface TermFlags {
  readonly can?: readonly string[];
  readonly do?: readonly Action[];
  readonly arg?: readonly Constraint[];
  readonly label?: Readonly<Record<string, readonly string[]>>;
  readonly budget?: Readonly<Record<string, number>>;
  readonly life?: number;
  readonly start?: number;
  readonly deadline?: number;
  readonly depth?: number;
  readonly root?: boolean;
}

/** Add them. */
export function termOptions(command: Command): Command {
  return command
    .option('--can <pattern>', 'capabilities: * one word, > all that follow (again for more)', addPattern)
    .option('--do <actions>', `what may be done: ${actions.join(', ')}, joined by commas`, toActions)
    .option('--arg <json>', 'constraint on the body, such as {"at":"/n","max":5} (again for more)', addArg)
    .option('--label <key=value>', 'label that a call must have (again for more)', addLabel)
    .option('--budget <unit=n>', 'whole amount that may be spent (again for more)', addBudget)
    .option('--life <duration>', 'how long it can be used: 90s, 15m, 8h, 30d', toDuration)
    .option('--start <instant>', 'from when on, such as 2030-01-31T08:00Z', toInstant)
    .option('--deadline <instant>', 'nothing runs under it after this', toInstant)
    .option('--depth <n>', 'how many delegations may follow', wholeNumber(0, limits.grantLinks - 1))
    .option('--root', 'it may be used without the ticket of a task: to start calls of its own');
}

/** The terms that were given; instants in the units of a token. */
export function termsOf(flags: TermFlags, nowMs: number): Partial<Terms> {
  const { can, arg, label, budget, life, start, deadline, depth, root } = flags;
  const seconds = (ms: number) => Math.floor(ms / 1_000);
  const given = {
    can,
    actions: flags.do,
    args: arg,
    labels: label,
    budget,
    exp: life === undefined ? undefined : seconds(nowMs + life),
    nbf: start === undefined ? undefined : seconds(start),
    deadline,
    depth,
    root,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function addPattern(text: string, before: readonly string[] = []): readonly string[] {
  if (!isPattern(text)) {
    throw new InvalidArgumentError('It must be a capability pattern, such as stock.* or stock.>');
  }
  return [...before, text];
}

function toActions(text: string): readonly Action[] {
  const list = text.split(',').map((one) => one.trim());
  if (!list.every((one) => (actions as readonly string[]).includes(one))) {
    throw new InvalidArgumentError(`It must be some of ${actions.join(', ')}, joined by commas.`);
  }
  return list as Action[];
}

function addArg(text: string, before: readonly Constraint[] = []): readonly Constraint[] {
  try {
    return [...before, JSON.parse(text) as Constraint];
  } catch {
    throw new InvalidArgumentError('It must be JSON, such as {"at":"/sku","prefix":"a-"}.');
  }
}

function addLabel(
  text: string,
  before: Readonly<Record<string, readonly string[]>> = {},
): Readonly<Record<string, readonly string[]>> {
  const [key, value] = pair(text);
  return { ...before, [key]: [...(before[key] ?? []), value] };
}

function addBudget(
  text: string,
  before: Readonly<Record<string, number>> = {},
): Readonly<Record<string, number>> {
  const [unit, amount] = pair(text);
  if (!/^\d+$/.test(amount)) {
    throw new InvalidArgumentError('It must be unit=n with a whole number.');
  }
  return { ...before, [unit]: Number(amount) };
}

function pair(text: string): [key: string, value: string] {
  const [, key, value] = /^([a-z0-9_-]{1,64})=(.+)$/.exec(text) ?? [];
  if (key === undefined || value === undefined) {
    throw new InvalidArgumentError('It must be key=value.');
  }
  return [key, value];
}

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function toDuration(text: string): number {
  const [, count, unit] = /^(\d{1,7})([smhd])$/.exec(text) ?? [];
  const ms = Number(count) * (UNITS[unit ?? ''] ?? Number.NaN);
  if (!(ms > 0 && ms <= limits.grantLifeMs)) {
    throw new InvalidArgumentError('It must be a number with s, m, h or d, at most 30d.');
  }
  return ms;
}

function toInstant(text: string): number {
  const ms = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms)) {
    throw new InvalidArgumentError('It must be an instant, such as 2030-01-31T08:00Z.');
  }
  return ms;
}

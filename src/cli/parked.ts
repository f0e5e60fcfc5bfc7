/**
 * `mesh parked`: calls that wait for capacity.
 */
import type { Command } from 'commander';
import type { ParkedPage, ParkedRow } from '../control/views/pages.js';
import { duration, viewOptions } from './calls/ask.js';
import { idOf } from './calls/tree.js';
import type { ContextOptions } from './context.js';
import { doAll, type Done } from './laid/bulk.js';
import {
  bulkOptions,
  confirm,
  filterOf,
  filterOptions,
  select,
  type BulkOptions,
  type FilterOptions,
} from './laid/select.js';
import { asOperator } from './operator.js';
import { note, paint, safe, say, sayJson, table } from './output.js';

type ListOptions = ContextOptions & FilterOptions;
type ActOptions = ContextOptions & BulkOptions;

/** Add the command and what it can do. */
export function register(program: Command): void {
  const parked = program
    .command('parked')
    .summary('calls that wait: look, release, cancel')
    .description('Calls that wait durably, because nobody was free for them.');
  filterOptions(viewOptions(parked.command('ls [pattern]'), 'views.rows'))
    .summary('calls that wait, the oldest first')
    .description(
      'Calls that wait, the oldest first, with what they wait for; with a pattern, those of such capabilities.',
    )
    .addHelpText('after', LS_HELP)
    .action(ls);
  bulkOptions(viewOptions(parked.command('release [calls...]')))
    .summary('try waiting calls now')
    .description(
      'Try waiting calls now, instead of when their turn comes. They go through the chain again, under the policy of now; for whom still nobody is free waits on.',
    )
    .addHelpText('after', RELEASE_HELP)
    .action((names: string[], options: ActOptions) => act('release', names, options));
  bulkOptions(viewOptions(parked.command('cancel [calls...]')))
    .summary('end waiting calls as cancelled')
    .description('End waiting calls. Their callers are told: cancelled.')
    .addHelpText('after', CANCEL_HELP)
    .action((names: string[], options: ActOptions) => act('cancel', names, options));
}

const LS_HELP = `
Examples:
  $ mesh parked ls
  $ mesh parked ls 'inventory.>' --older-than 1min --json`;

const EXITS = `
With --json there is one line for each call, and a last one with the sum. Exits with 0 when all went well, 1 when
something failed, 3 when a call was refused or had expired, 4 when still nobody is free.`;

const RELEASE_HELP = `
Examples:
  $ mesh parked release me.01jd9zq0c3w8k5v7x2m4n6p8r0
  $ mesh parked release --capability 'inventory.>' --yes
${EXITS}`;

const CANCEL_HELP = `
Examples:
  $ mesh parked cancel me.01jd9zq0c3w8k5v7x2m4n6p8r0
  $ mesh parked cancel --from shop --older-than 10min --dry-run
${EXITS}`;

async function ls(pattern: string | undefined, options: ListOptions): Promise<void> {
  const filter = filterOf(pattern === undefined ? options : { ...options, capability: pattern });
  const page = await asOperator(options, ['views.rows'], (operator) =>
    operator.view<ParkedPage>('parked', { ...filter, limit: operator.settings.orDefault('views.rows') }),
  );
  if (options.json === true) {
    return sayJson(page);
  }
  if (page.parked.length === 0) {
    return note('no parked calls');
  }
  const now = Date.now();
  say(
    ...table(
      page.parked.map((row) => cells(row, now)),
      ['id', 'capability', 'since', 'until', 'why'],
    ),
  );
  if (page.truncated === true) {
    note('These are not all; --limit and the filters show others.');
  }
}

function cells(row: ParkedRow, now: number): string[] {
  const { capability, at, deadline, why } = row;
  return [
    idOf(row),
    safe(capability),
    `${duration(Math.max(0, now - at))} ago`,
    deadline === undefined ? '' : deadline < now ? 'over' : `in ${duration(deadline - now)}`,
    paint.dim(safe(why)),
  ];
}

const WORDS = { release: ['Try', 'tried'], cancel: ['Cancel', 'cancelled'] } as const;

async function act(what: 'release' | 'cancel', names: readonly string[], options: ActOptions): Promise<void> {
  const dry = options.dryRun === true;
  const [word, verb] = WORDS[what];
  await asOperator(options, [], async (operator) => {
    const { rows, named } = await select<ParkedRow>(operator, 'parked', names, options);
    const many = `${word} ${rows.length} parked ${rows.length === 1 ? 'call' : 'calls'}?`;
    if (named || dry || rows.length === 0 || (await confirm(many, options.yes === true))) {
      const command = ({ from, call }: ParkedRow): Promise<Done> => operator.command(what, { from, call });
      const would = (): Promise<Done> => Promise.resolve({ state: `would_${what}` });
      const act = dry ? would : command;
      await doAll({ rows, json: options.json === true, verb, none: 'no such parked calls', act });
    }
  });
}

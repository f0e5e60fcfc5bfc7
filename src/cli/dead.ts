/**
 * `mesh dead`: calls the mesh gave up on.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { DeadPage, DeadRow } from '../control/views/pages.js';
import { limits } from '../wire/limits.js';
import { duration as words, viewOptions, wholeNumber } from './calls/ask.js';
import { idOf } from './calls/tree.js';
import type { ContextOptions } from './context.js';
import { doAll, type Done } from './laid/bulk.js';
import { describeDead, type Body } from './laid/describe.js';
import {
  bulkOptions,
  confirm,
  duration,
  filterOf,
  filterOptions,
  namedRows,
  select,
  type BulkOptions,
  type FilterOptions,
} from './laid/select.js';
import { asOperator, type Operator } from './operator.js';
import { note, paint, safe, say, sayJson, table } from './output.js';

type ListOptions = ContextOptions & FilterOptions;
type ShowOptions = ContextOptions & { readonly body?: boolean };
type ActOptions = ContextOptions & BulkOptions & { readonly timeout?: number; readonly wait?: number };

/** Add the command and what it can do. */
export function register(program: Command): void {
  const dead = program
    .command('dead')
    .summary('calls that were given up: look, replay, discard')
    .description(
      'Calls the mesh gave up on, with what was tried. They lie there until somebody replays or discards them.',
    );
  filterOptions(viewOptions(dead.command('ls [pattern]'), 'views.rows'))
    .summary('dead calls, the oldest first')
    .description('Dead calls, the oldest first; with a pattern, those of such capabilities.')
    .addHelpText('after', LS_HELP)
    .action(ls);
  viewOptions(dead.command('show <call>'))
    .summary('one dead call with its history')
    .description('One dead call: who it was for, every attempt, and why it was given up.')
    .option('--body', 'its body too (an operator may, a viewer may not)')
    .addHelpText('after', SHOW_HELP)
    .action(show);
  bulkOptions(viewOptions(dead.command('replay [calls...]')))
    .summary('run dead calls again, as new calls')
    .description(
      'Run dead calls again: the same caller, capability and body, a new id, the policy of now. A dead call is removed when its replay is accepted; one that is refused, or for whom nobody is free, stays.',
    )
    .option(
      '--timeout <ms>',
      'time of the new calls (default: that of the dead ones)',
      wholeNumber(1, limits.lifeMaxMs),
    )
    .option('--wait <time>', 'how long to wait until somebody is free', duration, 10_000)
    .addHelpText('after', REPLAY_HELP)
    .action(replay);
  bulkOptions(viewOptions(dead.command('discard [calls...]')))
    .summary('remove dead calls for good')
    .description('Remove dead calls for good. Their callers were told already: unknown.')
    .addHelpText('after', DISCARD_HELP)
    .action(discard);
}

const LS_HELP = `
Examples:
  $ mesh dead ls
  $ mesh dead ls 'pay.>' --older-than 1h --json`;

const SHOW_HELP = `
Examples:
  $ mesh dead show me.01jd9zq0c3w8k5v7x2m4n6p8r0
  $ mesh dead show 01jd9zq0c3w8k5v7x2m4n6p8r0 --body --json`;

const EXITS = `
With --json there is one line for each call, and a last one with the sum. Exits with 0 when all went well, 1 when
something failed, 3 when a call was refused, 4 when nobody was free.`;

const REPLAY_HELP = `
Examples:
  $ mesh dead replay me.01jd9zq0c3w8k5v7x2m4n6p8r0
  $ mesh dead replay --capability 'pay.>' --dry-run       what the chain would say now
  $ mesh dead replay --capability 'pay.>' --from shop --yes
${EXITS}`;

const DISCARD_HELP = `
Examples:
  $ mesh dead discard me.01jd9zq0c3w8k5v7x2m4n6p8r0
  $ mesh dead discard --older-than 30d --yes
${EXITS}`;

async function ls(pattern: string | undefined, options: ListOptions): Promise<void> {
  const filter = filterOf(pattern === undefined ? options : { ...options, capability: pattern });
  const page = await asOperator(options, ['views.rows'], (operator) =>
    operator.view<DeadPage>('dead', { ...filter, limit: operator.settings.orDefault('views.rows') }),
  );
  if (options.json === true) {
    return sayJson(page);
  }
  if (page.dead.length === 0) {
    return note('no dead calls');
  }
  const now = Date.now();
  say(
    ...table(
      page.dead.map((row) => cells(row, now)),
      ['id', 'capability', 'attempts', 'given up', 'why'],
    ),
  );
  if (page.truncated === true) {
    note('These are not all; --limit and the filters show others.');
  }
}

function cells(row: DeadRow, now: number): string[] {
  const { capability, attempts, at, why } = row;
  return [
    idOf(row),
    safe(capability),
    String(attempts),
    `${words(Math.max(0, now - at))} ago`,
    paint.dim(safe(why)),
  ];
}

async function show(name: string, options: ShowOptions): Promise<void> {
  const shown = await asOperator(options, [], async (operator) => {
    const rows = await namedRows<DeadRow>(operator, 'dead', name);
    const bodyOf = ({ from, call, seq }: DeadRow) =>
      options.body === true ? operator.command<Body>('body', { from, call, seq }) : undefined;
    return await Promise.all(rows.map(async (row) => ({ row, body: await bodyOf(row) })));
  });
  for (const { row, body } of shown) {
    if (options.json === true) {
      sayJson({ ...row, ...body });
    } else {
      say(...describeDead(row, body));
    }
  }
}

async function replay(names: readonly string[], options: ActOptions): Promise<void> {
  const { timeout, wait = 0 } = options;
  await act('Replay', 'replayed', names, options, (operator) => async (row, stopped) => {
    const { from, call, seq } = row;
    const dry = options.dryRun === true;
    const wanted = {
      from,
      call,
      seq,
      ...(timeout === undefined ? {} : { timeoutMs: timeout }),
      ...(dry ? { dry } : {}),
    };
    const until = Date.now() + wait;
    for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, 2_000)) {
      const { state, call: made } = await operator.command<{ state: string; call?: string }>(
        'replay',
        wanted,
      );
      if (state !== 'held' || dry || stopped() || Date.now() + pauseMs > until) {
        return { state, ...(made === undefined ? {} : { new: made }) };
      }
      await sleep(pauseMs);
    }
  });
}

async function discard(names: readonly string[], options: ActOptions): Promise<void> {
  const dry = options.dryRun === true;
  await act(
    'Discard',
    'discarded',
    names,
    options,
    (operator) =>
      ({ from, call, seq }) =>
        dry
          ? Promise.resolve({ state: 'would_discard' })
          : operator.command<Done>('discard', { from, call, seq }),
  );
}

type Act = (row: DeadRow, stopped: () => boolean) => Promise<Done>;

async function act(
  word: string,
  verb: string,
  names: readonly string[],
  options: ActOptions,
  how: (operator: Operator) => Act,
): Promise<void> {
  await asOperator(options, [], async (operator) => {
    const { rows, named } = await select<DeadRow>(operator, 'dead', names, options);
    const many = `${word} ${rows.length} dead ${rows.length === 1 ? 'call' : 'calls'}?`;
    if (
      named ||
      options.dryRun === true ||
      rows.length === 0 ||
      (await confirm(many, options.yes === true))
    ) {
      await doAll({
        rows,
        json: options.json === true,
        verb,
        none: 'no such dead calls',
        act: how(operator),
      });
    }
  });
}

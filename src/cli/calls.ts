/**
 * `mesh calls`: what became of calls.
 */
import { Option, type Command } from 'commander';
import { CALL_STATES, type CallPage, type CallRow, type CallsPage } from '../control/views/pages.js';
import type { View } from '../wire/generated/messages.js';
import { asToken } from '../wire/names.js';
import { askView, duration, viewOptions } from './calls/ask.js';
import { registerLater } from './calls/later.js';
import { idOf, paintState, printCall } from './calls/tree.js';
import type { ContextOptions } from './context.js';
import { asOperator } from './operator.js';
import { note, paint, safe, say, sayJson, table } from './output.js';

interface ListOptions extends ContextOptions {
  readonly from?: string;
  readonly context?: string;
  readonly status?: string;
}

/** Add the command and what it can do. */
export function register(program: Command): void {
  const calls = program
    .command('calls')
    .summary('what became of calls')
    .description('The calls of a mesh, as its streams tell them.');
  viewOptions(calls.command('ls'), 'views.rows')
    .summary('the newest calls')
    .description('The newest calls first, with where they stand.')
    .option('--from <name>', 'only calls of this caller or agent')
    .option('--context <id>', 'only calls with this context id')
    .addOption(new Option('--status <state>', 'only these').choices(CALL_STATES))
    .addHelpText('after', LS_HELP)
    .action(ls);
  viewOptions(calls.command('show <call>'))
    .summary('one call with its whole tree')
    .description(
      'One call with the tree it belongs to: who answered, attempts, how long each hop waited and took, what failed and what to do, and what a waiting call waits for.',
    )
    .addHelpText('after', SHOW_HELP)
    .action(show);
  registerLater(calls);
}

const LS_HELP = `
Examples:
  $ mesh calls ls
  $ mesh calls ls --status parked            what waits, and for what
  $ mesh calls ls --from inventory --status failed --limit 10

accepted: not decided yet. forgotten: settled so long ago that its outcome is no longer kept.`;

const SHOW_HELP = `
Examples:
  $ mesh calls show 01jd9zq0c3w8k5v7x2m4n6p8r0
  $ mesh calls show me.01jd9zq0c3w8k5v7x2m4n6p8r0 --json

An id is unique to its caller; in front of it stands who called. The asked call is marked with ◀.`;

async function ls({ from, context, status, ...options }: ListOptions): Promise<void> {
  const page = await asOperator(options, ['views.rows'], (operator) =>
    operator.view<CallsPage>('calls', {
      ...(from === undefined ? {} : { from: asToken(from, '--from') }),
      ...(context === undefined ? {} : { context }),
      ...(status === undefined ? {} : { status }),
      limit: operator.settings.orDefault('views.rows'),
    }),
  );
  if (options.json === true) {
    return sayJson(page);
  }
  if (page.calls.length === 0) {
    note('no calls');
  } else {
    const now = Date.now();
    say(
      ...table(
        page.calls.map((row) => cells(row, now)),
        ['id', 'capability', 'agent', 'status', 'took', 'when'],
      ),
    );
  }
  if (page.truncated === true) {
    note('This is not all: a view reads and says only so much.');
  }
}

function cells(row: CallRow, now: number): string[] {
  const { capability, agent, attempt, status, code, tookMs, at, why, root } = row;
  const detail = why ?? (code === undefined ? undefined : `[${safe(code)}]`);
  const again = attempt > 1 ? paint.yellow(` attempt ${attempt}`) : '';
  const own = root === `${row.from}.${row.call}`;
  return [
    idOf(row),
    own ? safe(capability) : `${paint.dim('┌')} ${safe(capability)}`, // newest first: its parent stands below
    agent ?? '',
    `${paintState(status)}${detail === undefined ? '' : ` ${paint.dim(detail)}`}${again}`,
    duration(tookMs),
    `${duration(Math.max(0, now - at))} ago`,
  ];
}

async function show(name: string, options: ContextOptions): Promise<void> {
  const page = await askView<CallPage>(options, 'call', named(name));
  if (options.json === true) {
    sayJson(page);
  } else {
    say(...printCall(page));
  }
}

/** `call` or `from.call`. */
function named(name: string): View {
  const dot = name.indexOf('.');
  const call = asToken(name.slice(dot + 1), 'the call');
  return dot < 0 ? { call } : { call, from: asToken(name.slice(0, dot), 'who called') };
}

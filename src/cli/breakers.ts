/**
 * `mesh breakers`: agents that get no calls for now.
 */
import type { Command } from 'commander';
import type { BreakerRow, BreakersPage } from '../control/views/breaker-page.js';
import { duration, viewOptions } from './calls/ask.js';
import type { ContextOptions } from './context.js';
import { asOperator } from './operator.js';
import { note, paint, safe, say, sayJson, table } from './output.js';

interface ForceOptions extends ContextOptions {
  readonly why?: string;
}

/** Add the command and what it can do. */
export function register(program: Command): void {
  const breakers = program
    .command('breakers')
    .summary('agents that get no calls for now: look, open, close')
    .description('Breakers that are not simply closed. docs/resilience.md tells when they open and close.');
  viewOptions(breakers.command('ls [pattern]'))
    .summary('breakers that are not simply closed')
    .description(
      'Breakers that are not simply closed: whose, for whom, since when and why; with a pattern, those of such capabilities. And fallbacks of the policy that are of no use.',
    )
    .addHelpText('after', LS_HELP)
    .action(ls);
  for (const to of ['open', 'close'] as const) {
    viewOptions(breakers.command(`${to} <agent> <capability>`))
      .summary(to === 'open' ? 'keep calls from an agent' : 'let calls to an agent again')
      .description(
        to === 'open'
          ? 'Keep calls of the capability from the agent, until it is closed again, at most an hour. What it works on goes on. It is recorded who did it.'
          : 'Let calls of the capability to the agent again, of all callers: its traffic grows over the ramp of the policy. It opens again if the agent fails them.',
      )
      .option('--why <text>', 'why, for people')
      .addHelpText('after', to === 'open' ? OPEN_HELP : CLOSE_HELP)
      .action((agent: string, capability: string, options: ForceOptions) =>
        force(to, agent, capability, options),
      );
  }
}

const LS_HELP = `
Examples:
  $ mesh breakers ls
  $ mesh breakers ls 'stock.>' --json`;

const OPEN_HELP = `
Examples:
  $ mesh breakers open stock stock.read --why 'it is moved'`;

const CLOSE_HELP = `
Examples:
  $ mesh breakers close stock stock.read`;

async function ls(pattern: string | undefined, options: ContextOptions): Promise<void> {
  const view = pattern === undefined ? {} : { pattern };
  const page = await asOperator(options, [], (operator) => operator.view<BreakersPage>('breakers', view));
  if (options.json === true) {
    return sayJson(page);
  }
  tellIdle(page);
  if (page.breakers.length === 0) {
    return note('all breakers are closed');
  }
  const now = Date.now();
  const head = ['agent', 'capability', 'for', 'state', 'since', 'why'];
  say(
    ...table(
      page.breakers.map((row) => cells(row, now)),
      head,
    ),
  );
  if (page.truncated === true) {
    note('These are not all; a pattern shows others.');
  }
}

/** Fallbacks that would not help when they are needed. */
function tellIdle({ idleFallbacks = [] }: BreakersPage): void {
  for (const { capability, major, fallback, why, differs = [] } of idleFallbacks) {
    const what =
      why === 'unserved' ? 'nobody offers it' : `its contract is another one (${differs.join(', ')})`;
    note(`the fallback of ${safe(capability)}@${major}, ${safe(fallback)}, is never used: ${what}`);
  }
}

function cells(row: BreakerRow, now: number): string[] {
  return [...breakerCells(row, now), paint.dim(safe(whyOf(row)))];
}

/** A breaker: whose, of which capability, for whom, its state, since when. */
export function breakerCells(row: BreakerRow, now: number): [string, string, string, string, string] {
  const { agent, capability, from, principal, state, at } = row;
  const whom =
    from !== undefined ? `calls of ${from}` : principal !== undefined ? `trees of ${principal}` : 'all';
  const color = state === 'open' ? paint.red : state === 'closed' ? paint.green : paint.yellow;
  const since = `${duration(Math.max(0, now - at))} ago`;
  return [safe(agent), safe(capability), safe(whom), color(state), since];
}

function whyOf({ why, forced, opens }: BreakerRow): string {
  if (forced !== undefined) {
    return `${forced.by} wants it${forced.why === undefined ? '' : `: ${forced.why}`}`;
  }
  const times = opens > 1 ? `, ${opens} times in a row` : '';
  return why === undefined ? '' : `of ${why.ends} ends ${why.bad} bad and ${why.slow} slow${times}`;
}

async function force(
  to: 'open' | 'close',
  agent: string,
  capability: string,
  options: ForceOptions,
): Promise<void> {
  const admin = {
    agent,
    capability,
    breaker: to === 'open' ? 'open' : 'closed',
    ...(options.why === undefined ? {} : { why: options.why }),
  } as const;
  const done = await asOperator(options, [], (operator) => operator.command('breaker', admin));
  if (options.json === true) {
    return sayJson(done);
  }
  say(
    `${paint.green(safe(agent))} gets ${to === 'open' ? 'no calls' : 'calls again'} of ${safe(capability)}`,
  );
}

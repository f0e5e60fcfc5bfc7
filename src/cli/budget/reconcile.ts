/**
 * `mesh budget reconcile`: the ledger held against the log.
 */
import type { Command } from 'commander';
import type { ReconcilePage, ReconcileRow } from '../../control/budgets/pages.js';
import { duration, viewOptions, askView } from '../calls/ask.js';
import type { ContextOptions } from '../context.js';
import { exits, note, paint, safe, say, sayJson, table } from '../output.js';
import { amountsText } from './rows.js';

interface ReconcileOptions extends ContextOptions {
  readonly all?: boolean;
}

/** Add the command. */
export function registerReconcile(budget: Command): void {
  viewOptions(budget.command('reconcile [budget]'))
    .summary('hold the ledger against the log')
    .description(
      'Add up again what decisions have reserved and outcomes have charged, and compare it with the ledger, budget by budget. Where the log does not reach back to the beginning of a window any more, it may say less, and never more.',
    )
    .option('--all', 'trees of calls and windows that have ended too')
    .addHelpText('after', HELP)
    .action(reconcile);
}

const HELP = `
Examples:
  $ mesh budget reconcile
  $ mesh budget reconcile principal.alice --json

Exits with 0 when they agree, 1 when they do not.`;

async function reconcile(name: string | undefined, options: ReconcileOptions): Promise<void> {
  const page = await askView<ReconcilePage>(options, 'reconcile', {
    ...(name === undefined ? {} : { pattern: name }),
    ...(options.all === true ? { all: true } : {}),
  });
  const wrong = page.nodes.filter(({ agrees }) => !agrees).length;
  process.exitCode = wrong > 0 ? exits.failed : exits.completed;
  if (options.json === true) {
    return sayJson(page);
  }
  if (page.nodes.length === 0) {
    return note('nothing was spent yet');
  }
  say(...table(page.nodes.map(cells), ['budget', 'ledger', 'log', 'open', 'calls', '']));
  const { nodes, since } = page;
  const short = nodes.some(({ whole }) => !whole);
  if (short && since > 0) {
    note(`The log reaches back ${duration(Math.max(0, Date.now() - since))}.`);
  }
  if (page.truncated === true) {
    note('The log is longer than a view reads.');
  }
  say(wrong === 0 ? paint.green('They agree.') : paint.red(`${wrong} do not agree.`));
}

function cells({ key, ledger, log, open, calls, whole, agrees }: ReconcileRow): string[] {
  const word = agrees ? paint.green('agrees') : paint.red('differs');
  return [
    safe(key),
    amountsText(ledger),
    amountsText(log),
    amountsText(open),
    String(calls),
    whole ? word : `${word} ${paint.dim('(part of the window)')}`,
  ];
}

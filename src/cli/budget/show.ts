/**
 * `mesh budget show`: what each budget may spend, has spent, has reserved and has left.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { BudgetPage } from '../../control/budgets/pages.js';
import { limits } from '../../wire/limits.js';
import { askView, viewOptions } from '../calls/ask.js';
import type { ContextOptions } from '../context.js';
import { note, say, sayJson } from '../output.js';
import { budgetTable, eventText, outText } from './rows.js';

interface ShowOptions extends ContextOptions {
  readonly all?: boolean;
}

/** Add the command. */
export function registerShow(budget: Command): void {
  viewOptions(budget.command('show [budget]'))
    .summary('what was spent, and what is left')
    .description(
      'Show budgets in the windows that are open now: what was spent, of how much, what calls that run have reserved, what is left, and when the window ends. A budget is named as in the table; * stands for one word, and what is left out at the end for all.',
    )
    .option('--all', 'trees of calls and windows that have ended too')
    .addHelpText('after', HELP)
    .action(show);
}

const HELP = `
Examples:
  $ mesh budget show
  $ mesh budget show principal.alice
  $ mesh budget show 'agent.*.day' --json
  $ mesh budget show tree`;

/** A gateway looks at its clock, and what it says is heard. */
const HEARD_MS = 200;

async function show(name: string | undefined, options: ShowOptions): Promise<void> {
  // Gateways write down this often what they settled: what ended before the command is in what it shows.
  await sleep(limits.checkpointMs + HEARD_MS);
  const page = await askView<BudgetPage>(options, 'budgets', {
    ...(name === undefined ? {} : { pattern: name }),
    ...(options.all === true ? { all: true } : {}),
  });
  if (options.json === true) {
    return sayJson(page);
  }
  printBudgets(page, name);
}

/** The table, who is out, and the last events. */
export function printBudgets(page: BudgetPage, name?: string): void {
  const nowMs = Date.now();
  if (page.off === true) {
    return note('The policy names no budgets: nothing is counted. See docs/budgets.md.');
  }
  const lines = budgetTable(page, process.stdout.isTTY === true, nowMs);
  if (lines.length === 0) {
    note(
      name === undefined ? 'nothing was spent yet' : `nothing was spent yet of ${name}, or no budget fits it`,
    );
  }
  say(...lines, ...outText(page, nowMs), ...page.events.slice(-5).map(eventText));
  if (page.truncated === true) {
    note('These are not all; name a budget to see fewer.');
  }
}

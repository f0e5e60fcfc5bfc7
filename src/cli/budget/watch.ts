/**
 * `mesh budget watch`: budgets as they are spent.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { BudgetPage, BudgetRow } from '../../control/budgets/pages.js';
import { viewOptions, wholeNumber } from '../calls/ask.js';
import type { ContextOptions } from '../context.js';
import { asOperator, type Operator } from '../operator.js';
import { say, sayJson } from '../output.js';
import { stopRequest } from '../stop.js';
import { budgetTable, eventText, outText } from './rows.js';

interface WatchOptions extends ContextOptions {
  readonly every: number;
}

/** Add the command. */
export function registerWatch(budget: Command): void {
  viewOptions(budget.command('watch [budget]'))
    .summary('see budgets being spent')
    .description(
      'Show budgets and draw them again until interrupted, with what happens to them: thresholds that are reached, debt that closes them, limits that are set, agents that are put out and lifted. With --json, or without a terminal, one line for whatever changed. Ends with exit code 0 when it is interrupted.',
    )
    .option('--every <s>', 'seconds between two looks', wholeNumber(1, 3_600), 1)
    .addHelpText('after', HELP)
    .action(watch);
}

const HELP = `
Examples:
  $ mesh budget watch
  $ mesh budget watch principal.alice --every 5
  $ mesh budget watch --json`;

async function watch(name: string | undefined, options: WatchOptions): Promise<void> {
  const view = name === undefined ? {} : { pattern: name };
  const draw =
    process.stdout.isTTY === true && options.json !== true
      ? onScreen
      : new Changes(options.json === true).tell;
  const end = stopRequest();
  await asOperator(options, [], async (operator: Operator) => {
    const look = () => Promise.race([operator.view<BudgetPage>('budgets', view), end]);
    for (let page = await look(); page !== undefined; page = await look()) {
      draw(page);
      await Promise.race([sleep(1_000 * options.every, undefined, { ref: false }), end]);
    }
  });
}

function onScreen(page: BudgetPage): void {
  const nowMs = Date.now();
  const lines = [
    ...budgetTable(page, true, nowMs),
    ...outText(page, nowMs),
    '',
    ...page.events.slice(-10).map(eventText),
  ];
  // Home, each line cleared to its end, the rest of the screen cleared: no flicker.
  process.stdout.write(`\u001b[H${lines.map((line) => `${line}\u001b[K\n`).join('')}\u001b[J`);
}

/** Says what has changed since the last look. */
class Changes {
  readonly #json: boolean;
  readonly #rows = new Map<string, string>();
  readonly #events = new Set<string>();

  constructor(json: boolean) {
    this.#json = json;
  }

  readonly tell = (page: BudgetPage): void => {
    const rows = page.budgets.filter((row) => this.#isNew(row));
    const events = page.events.filter(({ node, what, at }) => {
      const key = `${node} ${what} ${at}`;
      return !this.#events.has(key) && this.#events.add(key);
    });
    if (this.#json) {
      rows.forEach((budget) => sayJson({ budget }));
      events.forEach((event) => sayJson({ event }));
    } else {
      say(...budgetTable({ ...page, budgets: rows }, false, Date.now()).slice(1), ...events.map(eventText));
    }
  };

  #isNew(row: BudgetRow): boolean {
    const text = JSON.stringify(row);
    const changed = this.#rows.get(row.key) !== text;
    this.#rows.set(row.key, text);
    return changed;
  }
}

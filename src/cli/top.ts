/**
 * `mesh top`: who calls what, right now.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { TrafficPage } from '../control/views/traffic-page.js';
import { viewOptions, wholeNumber } from './calls/ask.js';
import type { ContextOptions } from './context.js';
import { Operator } from './operator.js';
import { columns, say, sayJson } from './output.js';
import { printTop } from './top/print.js';

interface TopOptions extends ContextOptions {
  readonly seconds: number;
  readonly every: number;
  readonly once?: boolean;
}

/** Add the command. */
export function register(program: Command): void {
  viewOptions(program.command('top'))
    .summary('who calls what, right now')
    .description(
      'Show the traffic of the last seconds and draw it again until q or Ctrl-C: who calls what and who does it, what waits, budgets that are near their limits, breakers that are not closed, the slowest, errors, idle agents. Without a terminal it prints one picture after the other.',
    )
    .option('--seconds <n>', 'how far back to look', wholeNumber(1, 86_400), 10)
    .option('--every <s>', 'seconds between two pictures', wholeNumber(1, 3_600), 2)
    .option('--once', 'one picture, then end')
    .addHelpText('after', HELP)
    .action(top);
}

const HELP = `
Examples:
  $ mesh top
  $ mesh top --seconds 60 --every 5
  $ mesh top --once --json`;

async function top(options: TopOptions): Promise<void> {
  const operator = await Operator.open(options);
  const end = new AbortController();
  const live = options.once !== true && process.stdout.isTTY === true && options.json !== true;
  const leave = live ? takeScreen(end) : leaveOnSignal(end);
  try {
    do {
      await draw(operator, options, live);
    } while (
      options.once !== true &&
      (await sleep(options.every * 1000, true, { signal: end.signal }).catch(() => false))
    );
  } finally {
    leave();
    await operator.close();
  }
}

async function draw(operator: Operator, options: TopOptions, live: boolean): Promise<void> {
  const page = await operator.view<TrafficPage>('traffic', { seconds: options.seconds });
  if (options.json === true) {
    return sayJson(page);
  }
  const rows = live ? (process.stdout.rows ?? 24) - 1 : Infinity;
  const lines = printTop(page, columns(), rows);
  if (live) {
    // Home, each line cleared to its end, the rest of the screen cleared: no flicker.
    process.stdout.write(`\u001b[H${lines.map((line) => `${line}\u001b[K\n`).join('')}\u001b[J`);
  } else {
    say(...lines, ...(options.once === true ? [] : ['']));
  }
}

/** The other screen of the terminal, without a cursor; q and Ctrl-C end it. Returns how to give it back. */
function takeScreen(end: AbortController): () => void {
  process.stdout.write('\u001b[?1049h\u001b[?25l');
  const { stdin } = process;
  const onKey = (key: Buffer): void => {
    if (['q', 'Q', '\u0003'].includes(key.toString())) {
      end.abort();
    }
  };
  if (stdin.isTTY === true) {
    stdin.setRawMode(true);
    stdin.on('data', onKey);
    stdin.resume();
  }
  const stop = leaveOnSignal(end);
  return () => {
    stop();
    if (stdin.isTTY === true) {
      stdin.setRawMode(false);
      stdin.off('data', onKey);
      stdin.pause();
    }
    process.stdout.write('\u001b[?25h\u001b[?1049l');
  };
}

function leaveOnSignal(end: AbortController): () => void {
  const stop = (): void => end.abort();
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return () => {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  };
}

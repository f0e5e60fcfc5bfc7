/**
 * The demo on paper.
 */
import { relative } from 'node:path';
import { paint, table } from '../output.js';
import type { Books } from './balance.js';
import type { LedgerCall } from './ledger.js';
import type { Report } from './report.js';
import { fold, type Fold, type Hop } from './tree.js';

const MAX_ROWS = 12;
const MAX_TITLE = 48;

/** The report of the agents. */
export function printReport({ documents }: Report, folder: string): string[] {
  const rows = documents
    .slice(0, MAX_ROWS)
    .map(({ path, title, headings, words }) => [
      relative(folder, path),
      title.length > MAX_TITLE ? `${title.slice(0, MAX_TITLE)}…` : title,
      String(headings).padStart(8),
      String(words).padStart(7),
    ]);
  const more = documents.length - rows.length;
  const words = documents.reduce((sum, one) => sum + one.words, 0);
  return [
    ...table(rows, ['document', 'title', 'headings', '  words']),
    ...(more > 0 ? [paint.dim(`and ${more} more`)] : []),
    `${documents.length} documents, ${words} words`,
  ];
}

/** The tree of calls: equal brothers on one line, with the slowest of them. */
export function printTree(trees: readonly Hop[], folder: string): string[] {
  const rows = fold(trees).flatMap((top) => rowsOf(top, '', '', folder));
  return table(rows, ['call', 'answered by', 'decided', 'total', '']);
}

function rowsOf(
  { shown, count, fastestMs, children }: Fold,
  head: string,
  indent: string,
  folder: string,
): string[][] {
  const { capability, agent, path, decidedMs, totalMs } = shown;
  const what = count === 1 && path !== undefined ? paint.dim(` ${relative(folder, path) || '.'}`) : '';
  const times = count === 1 ? '' : paint.dim(` ×${count}`);
  const total = count === 1 || fastestMs === totalMs ? `${totalMs} ms` : `${fastestMs}–${totalMs} ms`;
  const row = [
    `${paint.dim(head)}${capability}${times}${what}`,
    agent === 'none' ? '' : agent,
    `${decidedMs} ms`,
    total,
    remark(shown),
  ];
  const inner = children.flatMap((child, i) => {
    const last = i === children.length - 1;
    return rowsOf(child, `${indent}${last ? '└─ ' : '├─ '}`, `${indent}${last ? '   ' : '│  '}`, folder);
  });
  return [row, ...inner];
}

function remark({ status, code, dispatches }: Hop): string {
  if (status !== 'completed') {
    return paint.red(`${status} [${code ?? '?'}]`);
  }
  return dispatches > 1 ? paint.yellow(`recovered: dispatched ${dispatches} times`) : '';
}

/** A refusal as its caller got it: the whole error. */
export function printRefusal({ id, decisions, error }: LedgerCall): string[] {
  const [decision] = decisions;
  return [
    `${decision?.from} tried ${decision?.capability}, and no agent ever saw the call:`,
    ...table([
      ['code', paint.red(error?.code ?? '')],
      ['message', error?.message ?? ''],
      ['help', error?.help ?? ''],
      ['class', `${error?.class}, retry ${error?.retry}`],
      ['call', id],
    ]).map((line) => `  ${line}`),
  ];
}

/** The process that was killed. */
export interface Killed {
  readonly agent: string;
  readonly pid: number;
  readonly call: string;
}

/** What became of the call that it worked on. */
export function printCrash({ agent, pid, call }: Killed, found: LedgerCall | undefined): string[] {
  const [first] = found?.decisions ?? [];
  const [outcome] = found?.outcomes ?? [];
  const later = (outcome?.at ?? 0) - (first?.at ?? 0);
  return [
    `${agent} (process ${pid}, instance ${first?.instance}) was killed while it worked on ${call};`,
    `instance ${outcome?.instance} ${outcome?.status} it with attempt ${outcome?.attempt}, ${later} ms after the first was given out.`,
  ];
}

/** The books, and whether they balance. */
export function printBooks(books: Books): string[] {
  const { accepted, outcomes, completed, refused, other, recovered, lost, doubled, effects, unmatched } =
    books;
  const bad = (n: number): string => (n === 0 ? paint.green('0') : paint.red(String(n)));
  return [
    ...table([
      [
        'calls',
        `${accepted} accepted`,
        `${outcomes} outcomes`,
        `${bad(lost)} lost`,
        `${bad(doubled)} doubled`,
      ],
      [
        'outcomes',
        `${completed} completed`,
        `${refused} refused`,
        `${other} other`,
        `${recovered} recovered`,
      ],
      ['effects', `${effects} written`, `${bad(unmatched)} without a match`],
    ]),
    books.balanced ? paint.green('They balance.') : paint.red('They do not balance.'),
  ];
}

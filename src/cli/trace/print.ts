/**
 * The waterfall of a tree of calls, for terminals of any width.
 */
import { guards } from '../../chain/chain.js';
import { duration } from '../calls/ask.js';
import { paintState } from '../calls/tree.js';
import { usedWords } from '../calls/used.js';
import { clip, paint, safe, width } from '../output.js';
import { agentOf, flat, HOPS, slowestOf, totalMs, type Hop, type Slowest, type Timed } from './hops.js';

const ROWS_MAX = 200;
const NAME_MAX = 46;
const NARROW = 72;
const TIME_WIDTH = 8;

/** How each hop is drawn, and what it is called. */
const LOOKS: Readonly<Record<Hop, { readonly mark: string; readonly words: string }>> = {
  queue: { mark: '░', words: 'queue' },
  decision: { mark: '▒', words: 'decision' },
  retries: { mark: '×', words: 'retries' },
  work: { mark: '█', words: 'work' },
  settle: { mark: '▓', words: 'settle' },
};

const WORDS: Readonly<Record<Slowest['hop'], string>> = {
  queue: 'waiting in the queue',
  decision: 'making the decision durable',
  retries: 'attempts that gave no answer',
  own: 'its own work',
  settle: 'making the outcome durable',
};

/** The lines. `columns` is the width of the terminal. */
export function printTrace(trees: readonly Timed[], columns: number): string[] {
  const all = flat(trees);
  const shown = all.slice(0, ROWS_MAX);
  const total = totalMs(trees);
  const narrow = columns < NARROW;
  const heads = headsOf(trees);
  const nameWidth = Math.min(NAME_MAX, Math.max(...heads.slice(0, ROWS_MAX).map((head) => head.length)));
  const rows = shown.flatMap((one, i) => {
    const head = heads[i] ?? '';
    return narrow ? narrowRow(one, head, total, columns) : [wideRow(one, head, total, nameWidth, columns)];
  });
  const more = all.length - shown.length;
  return [
    ...rows,
    ...(more > 0 ? [paint.dim(`and ${more} more; --json has them all`)] : []),
    '',
    ...legend(columns),
    ...where(trees, total, columns),
    ...verdicts(all, columns),
    ...all.flatMap(({ node }) => usedWords(node)).flatMap((line) => wrap(line.split(' '), ' ', columns)),
  ];
}

/** The names with their lines of descent, in the order of `flat`. */
function headsOf(trees: readonly Timed[], indent = '', top = true): string[] {
  return trees.flatMap((one, i) => {
    const last = i === trees.length - 1;
    const own = top ? '' : `${indent}${last ? '└ ' : '├ '}`;
    const inner = top ? '' : `${indent}${last ? '  ' : '│ '}`;
    return [`${own}${safe(one.node.capability)}`, ...headsOf(one.children, inner, false)];
  });
}

function wideRow(one: Timed, head: string, total: number, nameWidth: number, columns: number): string {
  const barWidth = Math.max(10, columns - nameWidth - TIME_WIDTH - 16);
  const name = clip(head, nameWidth).padEnd(nameWidth);
  const took = duration(Math.round(one.endMs - one.startMs)).padStart(TIME_WIDTH);
  return `${bold(one, name)} ${bar(one, total, barWidth)} ${took}  ${state(one)}`.trimEnd();
}

function narrowRow(one: Timed, head: string, total: number, columns: number): string[] {
  const took = duration(Math.round(one.endMs - one.startMs));
  const name = clip(head, columns - took.length - 1);
  const bad = one.node.status === 'completed' ? [] : [`  ${clip(plainState(one), columns - 2)}`];
  return [
    `${bold(one, name)}${' '.repeat(Math.max(1, columns - name.length - took.length))}${took}`,
    bar(one, total, columns),
    ...bad,
  ];
}

function bold({ node }: Timed, name: string): string {
  return node.asked === true ? paint.bold(name) : name;
}

/** Each column shows the hop that most of its time belongs to; children that run are a thin line. */
function bar(one: Timed, total: number, columns: number): string {
  const perColumn = total === 0 ? 1 : total / columns;
  let text = '';
  for (let i = 0; i < columns; i++) {
    text += markAt(one, (i + 0.5) * perColumn, perColumn);
  }
  return text.trim() === '' ? smallest(one, perColumn, columns) : text;
}

function markAt(one: Timed, ms: number, perColumn: number): string {
  if (ms < one.startMs - perColumn / 2 || ms > one.endMs + perColumn / 2) {
    return ' ';
  }
  let end = one.startMs;
  for (const hop of HOPS) {
    end += one.hops[hop];
    if (ms <= end) {
      const below = hop === 'work' && one.children.some((c) => c.startMs <= ms && ms <= c.endMs);
      return below ? paint.dim('─') : painted(hop);
    }
  }
  return painted('settle');
}

/** What is shorter than a column still shows where it was. */
function smallest(one: Timed, perColumn: number, columns: number): string {
  const at = Math.min(columns - 1, Math.max(0, Math.floor(one.startMs / perColumn)));
  return `${' '.repeat(at)}▏${' '.repeat(columns - at - 1)}`;
}

function painted(hop: Hop): string {
  const { mark } = LOOKS[hop];
  const colour = hop === 'work' ? paint.green : hop === 'retries' ? paint.red : paint.yellow;
  return colour(mark);
}

function plainState({ node }: Timed): string {
  return `${node.status}${node.outcome?.code === undefined ? '' : ` [${safe(node.outcome.code)}]`}`;
}

function state(one: Timed): string {
  const { status, outcome } = one.node;
  if (status === 'completed') {
    return paint.dim(clip(agentOf(one.node) ?? '', 14));
  }
  const code = outcome?.code === undefined ? '' : ` [${safe(outcome.code)}]`;
  return `${paintState(status)}${code}`;
}

function legend(columns: number): string[] {
  const parts = HOPS.map((hop) => `${LOOKS[hop].mark} ${LOOKS[hop].words}`);
  return wrap([...parts, '─ child calls'], '  ', columns).map((line) => paint.dim(line));
}

/** How much of the time went where, and the slowest hop of all. */
function where(trees: readonly Timed[], total: number, columns: number): string[] {
  const all = flat(trees);
  const sum = (of: (one: Timed) => number): number => all.reduce((ms, one) => ms + of(one), 0);
  const parts: [string, number][] = [
    ['queue', sum(({ hops }) => hops.queue)],
    ['decision', sum(({ hops }) => hops.decision)],
    ['retries', sum(({ hops }) => hops.retries)],
    ["agents' own work", sum(({ ownMs }) => ownMs)],
    ['settle', sum(({ hops }) => hops.settle)],
  ];
  const said = parts.filter(([, ms]) => ms >= 0.5).map(([name, ms]) => `${name} ${duration(Math.round(ms))}`);
  const slowest = slowestOf(trees);
  return [
    '',
    ...wrap([`${count(all.length)} in ${duration(Math.round(total))}`, ...said], ' · ', columns),
    ...(slowest === undefined ? [] : wrap(wordsOf(slowest), ' ', columns)),
  ];
}

function count(calls: number): string {
  return calls === 1 ? '1 call' : `${calls} calls`;
}

function wordsOf({ capability, agent, hop, ms, share }: Slowest): string[] {
  const who = agent === undefined ? '' : ` by ${agent}`;
  const text = `Slowest: ${safe(capability)}${who}, ${WORDS[hop]}: ${duration(Math.round(ms))}, ${Math.round(share * 100)} % of all.`;
  return text.split(' ');
}

/** What the guards said: of the asked call all of them, of others the one that refused. */
function verdicts(all: readonly Timed[], columns: number): string[] {
  return all.flatMap(({ node }) => {
    const { guard, guardUs, asked, capability } = node;
    const refused = guard === undefined ? [] : [`${safe(capability)} was refused by the guard ${guard}.`];
    if (asked !== true || guardUs === undefined) {
      return refused.length === 0 ? [] : ['', ...wrap(refused[0]?.split(' ') ?? [], ' ', columns)];
    }
    const passed = guardUs.map((us, i) => {
      const name = guards[i]?.name ?? '';
      const mark = name === guard ? paint.red('✗') : paint.green('✓');
      return `${mark} ${name} ${us < 1 ? '<1' : us} µs`;
    });
    return ['', 'Guards:', ...wrap(passed, '  ', columns - 2).map((line) => `  ${line}`), ...refused];
  });
}

/** Parts in as few lines as the width allows. */
export function wrap(parts: readonly string[], between: string, columns: number): string[] {
  const lines: string[] = [];
  for (const part of parts) {
    const last = lines.at(-1);
    if (last !== undefined && width(last) + between.length + width(part) <= columns) {
      lines[lines.length - 1] = `${last}${between}${part}`;
    } else {
      lines.push(part);
    }
  }
  return lines;
}

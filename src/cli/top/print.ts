/**
 * The traffic on a screen, from 40 columns on.
 */
import type { BusyRow, TrafficPage, TrafficRow } from '../../control/views/traffic-page.js';
import { duration } from '../calls/ask.js';
import { clip, paint, safe, table } from '../output.js';
import { breakers, budgets, waiting, type Shape } from './pressure.js';

const NARROW = 72;
const ROWS = 12;
const ROWS_SHORT = 3;
/** A screen of fewer lines shows less of each. */
const SHORT = 40;
const SLOW = 5;
const NAMES = 8;

/** The lines, at most `rows` of them. */
export function printTop(page: TrafficPage, columns: number, rows: number): string[] {
  const narrow = columns < NARROW;
  const short = rows < SHORT;
  const most = short ? ROWS_SHORT : ROWS;
  const pressed = { narrow, columns, most: short ? 2 : SLOW };
  const lines = [
    ...summary(page, narrow),
    ...section(counted('traffic', page.rows, most), matrix(page, { narrow, columns, most })),
    ...section(counted('waiting', page.waits, pressed.most), waiting(page, pressed)),
    ...section(
      counted('budgets nearest to their limits', page.budgets, pressed.most),
      budgets(page, pressed),
    ),
    ...section(counted('breakers', page.breakers, pressed.most), breakers(page, pressed)),
    ...section('slowest, child calls included', slowest(page, narrow, columns)),
    ...section('errors and refusals', errors(page, narrow, columns)),
    ...section('agents', agents(page, columns)),
  ];
  return lines.length <= rows ? lines : [...lines.slice(0, Math.max(1, rows - 1)), paint.dim('…')];
}

function summary(page: TrafficPage, narrow: boolean): string[] {
  const { queues, calls, rows } = page;
  const seconds = Math.max(0.001, (page.untilAt - page.sinceAt) / 1000);
  const failed = rows.reduce((sum, row) => sum + row.errors, 0);
  const refused = rows.reduce((sum, row) => sum + row.refused, 0);
  const less = page.truncated === true ? ', as far as a view reads' : '';
  const first = `${paint.bold(rate(calls / seconds))} over ${duration(Math.round(seconds * 1000))}${less}`;
  const bad = [
    failed > 0 ? paint.red(`${failed} failed`) : '0 failed',
    refused > 0 ? paint.yellow(`${refused} refused`) : '0 refused',
  ].join(', ');
  const waiting = `accepted ${queues.accepted}, waiting ${queues.waiting}, parked ${queues.parked}, open ${queues.open}`;
  return narrow
    ? [
        first,
        bad,
        `accepted ${queues.accepted}  waiting ${queues.waiting}`,
        `parked ${queues.parked}  open ${queues.open}`,
      ]
    : [`${first}   ${bad}`, paint.dim(`queues: ${waiting}   gateways: ${page.gateways}`)];
}

/** A title that says how many there are, where not all of them are shown. */
function counted(title: string, all: readonly unknown[], most: number): string {
  return all.length > most ? `${title} (${most} of ${all.length})` : title;
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', paint.bold(title), ...lines];
}

function matrix({ rows, sinceAt, untilAt }: TrafficPage, { narrow, columns, most }: Shape): string[] {
  if (rows.length === 0) {
    return ['no calls'];
  }
  const seconds = Math.max(0.001, (untilAt - sinceAt) / 1000);
  const shown = rows.slice(0, most);
  if (narrow) {
    return shown.flatMap((row) => {
      const times = `p50 ${duration(row.p50Ms) || '–'}, p95 ${duration(row.p95Ms) || '–'}`;
      return [clip(way(row), columns), clip(`  ${rate(row.calls / seconds)}, ${times}`, columns)];
    });
  }
  const nameMax = Math.max(10, Math.floor((columns - 44) / 3));
  const cells = shown.map((row) => [
    clip(safe(row.from), nameMax),
    clip(safe(row.capability), nameMax),
    row.agent === undefined ? paint.dim('nobody') : clip(safe(row.agent), nameMax),
    rate(row.calls / seconds),
    duration(row.p50Ms),
    duration(row.p95Ms),
    row.running === 0 ? '' : String(row.running),
    row.errors === 0 ? '' : paint.red(String(row.errors)),
  ]);
  return table(cells, ['from', 'capability', 'agent', 'rate', 'p50', 'p95', 'runs', 'failed']);
}

/** The pairs whose slow calls are slowest. */
function slowest({ rows }: TrafficPage, narrow: boolean, columns: number): string[] {
  const slow = rows
    .filter(({ p95Ms }) => p95Ms !== undefined)
    .toSorted((a, b) => (b.p95Ms ?? 0) - (a.p95Ms ?? 0))
    .slice(0, narrow ? 3 : SLOW);
  return slow.map((row) => {
    const times = `p95 ${duration(row.p95Ms)}, max ${duration(row.maxMs)}`;
    return narrow
      ? `${clip(`${safe(row.capability)} → ${safe(row.agent ?? '')}`, columns - 12)} ${duration(row.p95Ms)}`
      : `${clip(way(row), columns - times.length - 2)}  ${times}`;
  });
}

function errors({ rows }: TrafficPage, narrow: boolean, columns: number): string[] {
  return rows
    .filter((row) => row.errors + row.refused > 0)
    .toSorted((a, b) => b.errors - a.errors || b.refused - a.refused)
    .slice(0, narrow ? 3 : SLOW)
    .map((row) => {
      const counts = `${row.errors} failed, ${row.refused} refused of ${row.calls}`;
      return narrow
        ? clip(`${safe(row.capability)} ${row.errors}/${row.refused}/${row.calls}`, columns)
        : `${clip(way(row), columns - counts.length - 2)}  ${counts}`;
    });
}

/** Who is busy, and who has nothing to do. */
function agents({ agents: all }: TrafficPage, columns: number): string[] {
  const alive = all.filter(({ instances }) => instances > 0);
  const busy = alive.filter(({ calls, inFlight }) => calls + inFlight > 0);
  const idle = alive.filter(({ calls, inFlight }) => calls + inFlight === 0);
  const gone = all.filter(({ instances }) => instances === 0);
  const line = (word: string, list: readonly BusyRow[], of: (row: BusyRow) => string): string[] => {
    const names = list.slice(0, NAMES).map(of).join(', ');
    const more = list.length > NAMES ? ` and ${list.length - NAMES} more` : '';
    return list.length === 0 ? [] : [clip(`${word}: ${names}${more}`, columns)];
  };
  return [
    ...line('busy', busy, (row) => `${row.agent} ${row.inFlight}/${row.concurrency}`),
    ...line('idle', idle, (row) => row.agent),
    ...line('away', gone, (row) => row.agent),
  ];
}

function way({ from, capability, agent }: TrafficRow): string {
  return `${safe(from)} → ${safe(capability)} → ${safe(agent ?? 'nobody')}`;
}

function rate(perSecond: number): string {
  const value = perSecond >= 100 ? Math.round(perSecond) : Number(perSecond.toPrecision(2));
  return `${value}/s`;
}

/**
 * What presses, on a screen: what waits, budgets that are near their limits, breakers that are not closed.
 */
import type { Amounts } from '../../domain/budget/amounts.js';
import { shownAmount } from '../../domain/budget/written.js';
import type { NearRow, TrafficPage, WaitRow } from '../../control/views/traffic-page.js';
import { breakerCells } from '../breakers.js';
import { duration } from '../calls/ask.js';
import { clip, paint, safe, table } from '../output.js';

/** How a section is drawn. */
export interface Shape {
  /** Two lines for a row instead of a table. */
  readonly narrow: boolean;
  readonly columns: number;
  /** Rows at most. */
  readonly most: number;
}

/** Calls that wait, by capability and priority. */
export function waiting({ waits }: TrafficPage, { narrow, columns, most }: Shape): string[] {
  const shown = waits.slice(0, most);
  if (narrow) {
    return shown.flatMap((row) => twoLines(`${row.capability} ${row.priority}`, inWords(row), columns));
  }
  const nameMax = Math.max(10, columns - 58);
  const cells = shown.map((row) => [
    clip(safe(row.capability), nameMax),
    row.priority,
    ...[row.turns, row.held, row.parked, row.approval].map((calls) => (calls === 0 ? '' : String(calls))),
    duration(row.oldestMs),
  ]);
  const head = ['capability', 'priority', 'turn', 'held', 'parked', 'approval', 'oldest'];
  return cells.length === 0 ? [] : table(cells, head);
}

function inWords({ turns, held, parked, approval, oldestMs }: WaitRow): string {
  const counts = { turn: turns, held, parked, approval };
  const said = Object.entries(counts).flatMap(([where, calls]) => (calls === 0 ? [] : [`${where} ${calls}`]));
  return `${said.join(', ')}, oldest ${duration(oldestMs)}`;
}

const BAR = 10;

/** Budgets, the one nearest to its limit first. */
export function budgets(page: TrafficPage, { narrow, columns, most }: Shape): string[] {
  const shown = page.budgets.slice(0, most);
  if (narrow) {
    return shown.flatMap((row) => {
      const state = row.state === 'open' ? '' : `${row.state}, `;
      return twoLines(row.key, `${state}${row.percent} % of ${amount(row, row.limit)}`, columns);
    });
  }
  const nameMax = Math.max(10, columns - 62);
  const cells = shown.map((row) => [
    clip(safe(row.key), nameMax),
    colorOf(row)(bar(row.percent)),
    `${row.percent} %`,
    amount(row, row.limit),
    row.state === 'open' ? '' : colorOf(row)(row.state),
    row.endsMs <= page.untilAt ? 'over' : duration(row.endsMs - page.untilAt),
  ]);
  const head = ['budget', '', 'spent', 'of', 'state', 'ends in'];
  return cells.length === 0 ? [] : table(cells, head);
}

function amount({ unit }: NearRow, amounts: Amounts): string {
  return shownAmount(unit, amounts[unit] ?? 0);
}

function bar(percent: number): string {
  const full = Math.min(BAR, Math.floor((percent * BAR) / 100));
  return '█'.repeat(full) + '░'.repeat(BAR - full);
}

function colorOf({ percent, state }: NearRow): (text: string) => string {
  const bad = state === 'closed' || state === 'halt' || state === 'quarantine' || percent >= 100;
  return bad ? paint.red : state !== 'open' || percent >= 80 ? paint.yellow : paint.green;
}

/** Breakers that are not closed. */
export function breakers(page: TrafficPage, { narrow, columns, most }: Shape): string[] {
  const shown = page.breakers.slice(0, most).map((row) => breakerCells(row, page.untilAt));
  if (narrow) {
    return shown.flatMap(([agent, capability, whom, state, since]) => [
      clip(`${agent} ${capability}`, columns),
      `  ${state}${clip(` for ${whom}, ${since}`, columns - 12)}`,
    ]);
  }
  const nameMax = Math.max(10, Math.floor((columns - 32) / 3));
  const cells = shown.map(([agent, capability, whom, state, since]) => [
    ...[agent, capability, whom].map((text) => clip(text, nameMax)),
    state,
    since,
  ]);
  return cells.length === 0 ? [] : table(cells, ['agent', 'capability', 'for', 'state', 'since']);
}

function twoLines(name: string, said: string, columns: number): string[] {
  return [clip(safe(name), columns), clip(`  ${said}`, columns)];
}

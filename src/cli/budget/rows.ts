/**
 * Budgets as a table: one line for each unit of each window, with a bar.
 */
import { addCapped, counted, UNITS, ZERO, type Amounts, type Unit } from '../../domain/budget/amounts.js';
import type { BudgetEvent } from '../../domain/budget/orders.js';
import { shownAmount } from '../../domain/budget/written.js';
import type { BudgetPage, BudgetRow } from '../../control/budgets/pages.js';
import { duration } from '../calls/ask.js';
import { paint, safe, table } from '../output.js';

const BAR = 12;
const HEAD = ['budget', 'spent', 'of', 'reserved', 'left', 'ends in', ''];

/** The table; on a terminal with bars. */
export function budgetTable(page: BudgetPage, bars: boolean, nowMs: number): string[] {
  const rows = page.budgets.flatMap((row) =>
    UNITS.filter((unit) => row.limit[unit] !== undefined).map((unit, i) =>
      cells(row, unit, i === 0, bars, nowMs),
    ),
  );
  const head = bars ? ['budget', '', ...HEAD.slice(1)] : HEAD;
  return rows.length === 0 ? [] : table(rows, head);
}

function cells(row: BudgetRow, unit: Unit, first: boolean, bars: boolean, nowMs: number): string[] {
  const of = (amounts: Amounts): number => amounts[unit] ?? 0;
  const spent = addCapped(counted(row.spent, row.limit), counted(row.debt ?? ZERO, row.limit));
  const shown = (amounts: Amounts): string => shownAmount(unit, of(amounts));
  return [
    first ? safe(row.key) : '',
    ...(bars ? [bar(of(spent), of(row.held), of(row.limit))] : []),
    shown(spent),
    shown(row.limit),
    shown(row.held),
    shown(row.left),
    first ? ends(row, nowMs) : '',
    first ? remarks(row, unit) : '',
  ];
}

/** Spent is full, what gateways have in hand is half. */
function bar(spent: number, held: number, limit: number): string {
  const part = (amount: number): number =>
    limit === 0 ? BAR : Math.min(BAR, Math.round((BAR * amount) / limit));
  const full = part(spent);
  const half = Math.max(0, Math.min(BAR, part(spent + held)) - full);
  const text = '█'.repeat(full) + '▒'.repeat(half) + '░'.repeat(BAR - full - half);
  return full >= BAR ? paint.red(text) : full >= 0.8 * BAR ? paint.yellow(text) : paint.green(text);
}

function ends({ endsMs }: BudgetRow, nowMs: number): string {
  return endsMs <= nowMs ? 'over' : duration(endsMs - nowMs);
}

function remarks(row: BudgetRow, unit: Unit): string {
  const { closed, debt, level, set } = row;
  return [
    ...(closed === true ? [paint.red(`closed: debt of ${debtOf(debt ?? ZERO, unit)}`)] : []),
    ...(closed !== true && level !== undefined ? [paint.yellow(level)] : []),
    ...(set === undefined ? [] : [paint.dim(`set by ${safe(set.by)}`)]),
  ].join(', ');
}

function debtOf(debt: Amounts, unit: Unit): string {
  const first = debt[unit] === undefined ? UNITS.find((one) => (debt[one] ?? 0) > 0) : unit;
  return shownAmount(first ?? unit, debt[first ?? unit] ?? 0);
}

/** Amounts on one line. */
export function amountsText(amounts: Amounts): string {
  const all = UNITS.flatMap((unit) => {
    const amount = amounts[unit];
    return amount === undefined ? [] : [shownAmount(unit, amount)];
  });
  return all.length === 0 ? 'nothing' : all.join(', ');
}

/** What happened, on one line. */
export function eventText({ at, node, what, spent, limit, debt, percent, by, why }: BudgetEvent): string {
  const time = new Date(at).toISOString().slice(11, 19);
  const word = what === 'debt' ? paint.red(what) : by === undefined ? paint.yellow(what) : paint.green(what);
  const of = percent === undefined ? '' : ` at ${percent} %`;
  const over = debt === undefined ? '' : `, ${amountsText(debt)} more than was reserved`;
  const who = by === undefined ? '' : `, by ${safe(by)}${why === undefined ? '' : `: ${safe(why)}`}`;
  const more = `${over}${who}`;
  return `${paint.dim(time)}  ${word}${of}  ${safe(node)}  ${amountsText(spent)} of ${amountsText(limit)}${more}`;
}

/** Who is out, on one line each. */
export function outText({ out }: BudgetPage, nowMs: number): string[] {
  return out.map(
    ({ agent, node, until }) =>
      `${paint.red('quarantined')}  ${safe(agent)}  by ${safe(node)}, for ${duration(Math.max(0, until - nowMs))}`,
  );
}

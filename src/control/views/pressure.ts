/**
 * What presses, beside the traffic: calls that wait, and budgets that are near their limits.
 */
import { UNITS, type Unit } from '../../domain/budget/amounts.js';
import { standingOf } from '../../domain/budget/orders.js';
import { laneOf } from '../../domain/rate/lane.js';
import type { ParkedRecord, Peer } from '../../wire/generated/messages.js';
import { limits } from '../../wire/limits.js';
import type { Priority } from '../../wire/priority.js';
import type { BudgetRow } from '../budgets/pages.js';
import { budgetRow, openNodes } from '../budgets/view.js';
import type { Control } from '../core.js';
import { Budget } from './bounds.js';
import { parkedIn } from './records.js';
import type { NearRow, WaitRow } from './traffic-page.js';

type Where = 'turns' | 'held' | 'parked' | 'approval';

/** Waiting calls, counted by capability and priority. */
class Waits {
  readonly #rows = new Map<string, { -readonly [K in keyof WaitRow]: WaitRow[K] }>();

  /** So many more of them wait there. */
  add(capability: string, priority: Priority, where: Where, calls: number, oldestMs: number): void {
    const key = `${priority} ${capability}`;
    const none = { capability, priority, turns: 0, held: 0, parked: 0, approval: 0, oldestMs: 0 };
    const row = this.#rows.get(key) ?? none;
    this.#rows.set(key, row);
    row[where] += calls;
    row.oldestMs = Math.max(row.oldestMs, oldestMs);
  }

  /** The longest first. */
  longest(): WaitRow[] {
    const all = ({ turns, held, parked, approval }: WaitRow): number => turns + held + parked + approval;
    return [...this.#rows.values()].sort((a, b) => all(b) - all(a)).slice(0, limits.pressureRows);
  }
}

/** What waits in gateways, as their last beats told, and durably. Rejects when PARKED cannot be read. */
export async function waitsNow(
  control: Control,
  gateways: readonly { readonly peer: Pick<Peer, 'queues'> }[],
  nowMs: number,
): Promise<WaitRow[]> {
  const waits = new Waits();
  for (const { peer } of gateways) {
    for (const { capability, priority, turns, held, oldestMs } of peer.queues ?? []) {
      waits.add(capability, priority, 'turns', turns, oldestMs);
      waits.add(capability, priority, 'held', held, oldestMs);
    }
  }
  await new Budget().scan(control, 'PARKED', { headersOnly: true }, (m) => {
    const record = parkedIn(m);
    if (record !== undefined) {
      const { capability, parkedAt, why } = record;
      const where = why === 'approval' ? why : 'parked';
      waits.add(capability, priorityOf(control, record), where, 1, Math.max(0, nowMs - parkedAt));
    }
    return undefined;
  });
  return waits.longest();
}

function priorityOf(control: Control, { from, headers }: ParkedRecord): Priority {
  return laneOf(control, from, { get: (name) => headers[name] });
}

/** Budgets of the policy whose window is open, the nearest to its limit first; those of trees end with their trees. */
export function budgetsNear(control: Control, nowMs: number): NearRow[] {
  const { books, policy } = control;
  return openNodes(books, {}, nowMs)
    .filter((key) => policy.budgets?.budgetOf(standingOf(key)) !== undefined)
    .map((key) => nearRow(budgetRow(control, books, key)))
    .filter(({ percent, state }) => percent > 0 || state !== 'open')
    .sort((a, b) => rank(b) - rank(a))
    .slice(0, limits.pressureRows);
}

function nearRow(row: BudgetRow): NearRow {
  const shares = UNITS.filter((unit) => row.limit[unit] !== undefined).map((unit) => ({
    unit,
    percent: percentOf(row, unit),
  }));
  const [most = { unit: 'micros' as const, percent: 0 }] = shares.sort((a, b) => b.percent - a.percent);
  return { ...row, ...most, state: row.closed === true ? 'closed' : (row.level ?? 'open') };
}

function percentOf({ spent, debt, limit }: BudgetRow, unit: Unit): number {
  const most = limit[unit] ?? 0;
  const used = (spent[unit] ?? 0) + (debt?.[unit] ?? 0); // an agent may say any amount: nothing here throws
  return most === 0 ? 100 : Math.floor((used / most) * 100);
}

/** Closed ones are told before all others. */
function rank({ state, percent }: NearRow): number {
  return percent + (state === 'closed' ? 1e9 : 0);
}

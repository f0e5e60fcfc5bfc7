/**
 * What an operator says of budgets at run time: another limit, and that an agent is sent work again.
 */
import type { Admin } from '../../wire/generated/messages.js';
import { limits } from '../../wire/limits.js';
import { meshError } from '../../wire/errors.js';
import { nearNames } from '../../domain/near.js';
import { asAmounts, portion, UNITS, ZERO, type Amounts } from '../../domain/budget/amounts.js';
import { setLimit as withLimit, writeOff, type NodeRecord } from '../../domain/budget/node-record.js';
import {
  eventKeepMs,
  orderKey,
  type BudgetEvent,
  type PutOut,
  type SetLimit,
} from '../../domain/budget/orders.js';
import type { StandingBudget } from '../../domain/budget/plan.js';
import { spanOf } from '../../domain/budget/windows.js';
import type { BudgetStore } from '../../fabric/budgets.js';
import type { Control } from '../core.js';

/** A limit that was set stays until it is cleared. */
const KEEP_MS = 10 * 365 * 86_400_000;
const TRIES = 16;
/** Caps on one call have no window: so long it is told that they were set. */
const TOLD_MS = 86_400_000;

/** What became of it. */
export interface SetReply {
  readonly node: string;
  readonly limit: Amounts;
  readonly before: Amounts;
}

/**
 * Set the limit of a budget that the policy names, or clear what was set. It counts with gateways within a second and
 * opens a node that debt has closed. Units that are not named stay. Throws not_found, amount_invalid.
 */
export async function setBudget(
  control: Pick<Control, 'policy'>,
  store: BudgetStore,
  { node, amounts, why }: Pick<Admin, 'amounts' | 'why'> & { readonly node: string },
  by: string,
): Promise<SetReply> {
  const budget = budgetOf(control, node);
  const given = amounts === undefined ? undefined : amountsFor(node, budget, amounts);
  const key = orderKey.limit(node);
  for (let tries = 0; tries < TRIES; tries++) {
    const { value, revision } = await store.get<SetLimit>(key);
    const before = value?.limit ?? budget.limit;
    const limit = given === undefined ? budget.limit : { ...before, ...given };
    const record: SetLimit = { v: 1, limit, by, at: Date.now(), ...(why === undefined ? {} : { why }) };
    const put =
      given === undefined
        ? value === undefined
          ? ({ kind: 'stored' } as const)
          : await store.remove(key, revision)
        : await store.put(key, record, revision, KEEP_MS);
    if (put.kind === 'stored') {
      const full = portion(limit, budget.thresholds.halt);
      const at = await changeNow(store, node, budget, (now) => withLimit(now, full));
      await tell(store, at, { what: 'set', limit, by, ...(why === undefined ? {} : { why }) });
      return { node, limit, before };
    }
  }
  throw away();
}

/** Send work to an agent again that was put out by its budget. Throws not_found. */
export async function liftBudget(
  store: BudgetStore,
  { agent, why }: Pick<Admin, 'why'> & { readonly agent: string },
  by: string,
): Promise<object> {
  const { value, revision } = await store.get<PutOut>(orderKey.out(agent));
  if (value === undefined) {
    throw meshError('not_found', { what: 'the quarantine of', name: agent });
  }
  if ((await store.remove(orderKey.out(agent), revision)).kind !== 'stored') {
    throw away();
  }
  const { node: key, until: endsMs } = value;
  const { value: record } = await store.get<NodeRecord>(`node.${key}`);
  await tell(store, { key, endsMs, record }, { what: 'lift', by, ...(why === undefined ? {} : { why }) });
  return { agent, lifted: true };
}

/** Write off the debt of a budget in the window that is open: it counts no more, and the budget is open. Throws not_found. */
export async function writeOffDebt(
  control: Pick<Control, 'policy'>,
  store: BudgetStore,
  { node, why }: Pick<Admin, 'why'> & { readonly node: string },
  by: string,
): Promise<object> {
  let debt: Amounts | undefined;
  const at = await changeNow(store, node, budgetOf(control, node), (now) => {
    debt = now.debt;
    return writeOff(now);
  });
  if (debt === undefined) {
    throw meshError('not_found', { what: 'a debt of', name: node });
  }
  await tell(store, at, { what: 'lift', debt, by, ...(why === undefined ? {} : { why }) });
  return { node, debt, lifted: true };
}

/** A node, and what stands in the ledger of it, if anything was spent. */
interface Place {
  readonly key: string;
  readonly endsMs: number;
  readonly record: NodeRecord | undefined;
}

/** Change the window that is open now, if anything was spent in it. */
async function changeNow(
  store: BudgetStore,
  node: string,
  { window }: StandingBudget,
  how: (now: NodeRecord) => NodeRecord,
): Promise<Place> {
  if (window === 'call') {
    return { key: node, endsMs: Date.now() + TOLD_MS, record: undefined };
  }
  const { start, endsMs } = spanOf(window, Date.now());
  const key = `${node}.${start}`;
  for (let tries = 0; tries < TRIES; tries++) {
    const { value, revision } = await store.get<NodeRecord>(`node.${key}`);
    if (value === undefined) {
      return { key, endsMs, record: value };
    }
    const record = how(value);
    const keepMs = Math.max(0, endsMs - Date.now()) + limits.nodeKeepMs;
    if ((await store.put(`node.${key}`, record, revision, keepMs)).kind === 'stored') {
      return { key, endsMs, record };
    }
  }
  throw away();
}

/** It is done; whoever watches is told. When that fails the order stands all the same. */
async function tell(
  store: BudgetStore,
  { key, endsMs, record }: Place,
  more: Pick<BudgetEvent, 'what' | 'debt' | 'by' | 'why'> & { readonly limit?: Amounts },
): Promise<void> {
  const at = Date.now();
  const { spent = ZERO, limit = ZERO } = record ?? {};
  const event: BudgetEvent = { v: 1, node: key, at, spent, limit, ...more };
  const to = `event.${key}.${more.what}`;
  const there = await store.get(to).catch(() => undefined);
  if (there !== undefined) {
    await store.put(to, event, there.revision, eventKeepMs(endsMs, at));
  }
}

function budgetOf(control: Pick<Control, 'policy'>, node: string): StandingBudget {
  const plan = control.policy.budgets;
  const budget = plan?.budgetOf(node);
  if (plan === undefined || budget === undefined) {
    const [near] = nearNames(node, plan?.standing() ?? []);
    const hint = near === undefined ? '' : `; did you mean ${near}?`;
    throw meshError('not_found', { what: 'a budget of the policy', name: `${node}${hint}` });
  }
  return budget;
}

function amountsFor(node: string, { limit }: StandingBudget, given: object): Amounts {
  const amounts = asAmounts(given, node);
  const foreign = UNITS.find((unit) => amounts[unit] !== undefined && limit[unit] === undefined);
  if (foreign !== undefined) {
    throw meshError('amount_invalid', {
      value: `${amounts[foreign]} ${foreign}`,
      where: `${node} has no limit of it`,
    });
  }
  return amounts;
}

function away(): Error {
  return meshError('unavailable', {
    waitedMs: 0,
    why: 'the ledger of budgets changes too often, or does not answer',
  });
}

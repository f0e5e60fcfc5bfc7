/**
 * What an operator says of budgets at run time: another limit, and that an agent is sent work again.
 */
import type { Admin } from '../../wire/generated/messages.js';
import { limits } from '../../wire/limits.js';
import { meshError } from '../../wire/errors.js';
import { nearNames } from '../../domain/near.js';
import { asAmounts, portion, UNITS, type Amounts } from '../../domain/budget/amounts.js';
import { setLimit as withLimit, type NodeRecord } from '../../domain/budget/node-record.js';
import { orderKey, type SetLimit } from '../../domain/budget/orders.js';
import type { StandingBudget } from '../../domain/budget/plan.js';
import { spanOf } from '../../domain/budget/windows.js';
import type { BudgetStore } from '../../fabric/budgets.js';
import type { Control } from '../core.js';

/** A limit that was set stays until it is cleared. */
const KEEP_MS = 10 * 365 * 86_400_000;
const TRIES = 16;

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
      await renew(store, node, budget, limit);
      return { node, limit, before };
    }
  }
  throw away();
}

/** Send work to an agent again that was put out by its budget. Throws not_found. */
export async function liftBudget(store: BudgetStore, agent: string): Promise<object> {
  const { value, revision } = await store.get<object>(orderKey.out(agent));
  if (value === undefined) {
    throw meshError('not_found', { what: 'the quarantine of', name: agent });
  }
  if ((await store.remove(orderKey.out(agent), revision)).kind !== 'stored') {
    throw away();
  }
  return { agent, lifted: true };
}

/** The window that is open now, if anything was spent in it. */
async function renew(
  store: BudgetStore,
  node: string,
  { window, thresholds }: StandingBudget,
  limit: Amounts,
): Promise<void> {
  if (window === 'call') {
    return;
  }
  const { start, endsMs } = spanOf(window, Date.now());
  const key = `node.${node}.${start}`;
  for (let tries = 0; tries < TRIES; tries++) {
    const { value, revision } = await store.get<NodeRecord>(key);
    if (value === undefined) {
      return;
    }
    const next = withLimit(value, portion(limit, thresholds.halt));
    const keepMs = Math.max(0, endsMs - Date.now()) + limits.nodeKeepMs;
    const put = await store.put(key, next, revision, keepMs);
    if (put.kind === 'stored') {
      return;
    }
  }
  throw away();
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

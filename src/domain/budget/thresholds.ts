/**
 * Thresholds of a budget: in which order they come, and which of them a node has reached.
 */
import type { BudgetOn } from '../config/budget-shape.js';
import { reaches, type Amounts } from './amounts.js';
import type { Thresholds } from './plan.js';
import type { Window } from './windows.js';

/** What a node has reached, the gravest of it. */
export type Level = 'warn' | 'hold' | 'halt' | 'quarantine';

/** What is wrong with thresholds; undefined: nothing. `where` is the key below the budget. */
export function thresholdTrouble(
  { warn, hold, halt, quarantine, approvers = [] }: Thresholds,
  { on, window }: { readonly on: BudgetOn; readonly window: Window | 'call' },
  roles: ReadonlySet<string>,
): { readonly where: string; readonly why: string } | undefined {
  const stop = Math.min(halt, quarantine ?? halt);
  if (window === 'call' && on !== 'root') {
    const given = { warn, hold, quarantine, halt: halt === 100 ? undefined : halt };
    const first = Object.entries(given).find(([, percent]) => percent !== undefined);
    return (
      first && {
        where: first[0],
        why: 'a budget of one call has no thresholds: what it cannot pay is refused',
      }
    );
  }
  if (quarantine !== undefined && on !== 'agent') {
    return { where: 'quarantine', why: 'only a budget on agents can put one out' };
  }
  if (quarantine !== undefined && quarantine > halt) {
    return { where: 'quarantine', why: `it is never reached: calls are refused from ${halt} percent` };
  }
  if (hold !== undefined && hold >= stop) {
    return { where: 'hold', why: `it is never reached: at ${stop} percent nothing passes any more` };
  }
  if (warn !== undefined && warn >= (hold ?? Infinity)) {
    return { where: 'warn', why: `calls are held from ${hold} percent: a warning comes before that` };
  }
  if (warn !== undefined && warn > stop) {
    return { where: 'warn', why: `it is never reached: at ${stop} percent nothing passes any more` };
  }
  return approverTrouble(hold, approvers, roles);
}

function approverTrouble(
  hold: number | undefined,
  approvers: readonly string[],
  roles: ReadonlySet<string>,
): { readonly where: string; readonly why: string } | undefined {
  const stranger = approvers.find((role) => !roles.has(role));
  if (stranger !== undefined) {
    return { where: 'approvers', why: `there is no role ${stranger}` };
  }
  if ((hold === undefined) !== (approvers.length === 0)) {
    return hold === undefined
      ? { where: 'approvers', why: 'nothing is held: say hold too' }
      : { where: 'hold', why: 'say under approvers which roles may let a call pass' };
  }
  return undefined;
}

/** The gravest that so much of the limit has reached. Quarantine counts before halt: it says where calls may go instead. */
export function levelOf(used: Amounts, limit: Amounts, thresholds: Thresholds): Level | undefined {
  const { warn, hold, halt, quarantine } = thresholds;
  if (quarantine !== undefined && reaches(used, limit, quarantine)) {
    return 'quarantine';
  }
  if (reaches(used, limit, halt)) {
    return 'halt';
  }
  if (hold !== undefined && reaches(used, limit, hold)) {
    return 'hold';
  }
  return warn !== undefined && reaches(used, limit, warn) ? 'warn' : undefined;
}

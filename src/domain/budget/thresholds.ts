/**
 * Thresholds of a budget: in which order they come, and which of them a node has reached.
 */
import type { BudgetOn } from '../config/budget-shape.js';
import { portion, reaches, type Amounts } from './amounts.js';
import type { Thresholds } from './plan.js';
import type { Window } from './windows.js';

/** What a node can reach. */
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

/** All that so much of the limit has reached, the gravest last. */
export function levelsOf(used: Amounts, limit: Amounts, thresholds: Thresholds): Level[] {
  const { warn, hold, halt, quarantine } = thresholds;
  const at = (percent: number | undefined): boolean => percent !== undefined && reaches(used, limit, percent);
  return [
    ...(at(warn) ? (['warn'] as const) : []),
    ...(at(hold) ? (['hold'] as const) : []),
    ...(at(quarantine) ? (['quarantine'] as const) : []),
    ...(reaches(used, portion(limit, halt), 100) ? (['halt'] as const) : []),
  ];
}

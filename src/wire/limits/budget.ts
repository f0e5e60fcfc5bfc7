/**
 * The bounds of budgets: a part of the table in `src/wire/limits.ts`.
 */

/** Value, unit, reason. */
export const budgetLimits = {
  budgets: { value: 500, unit: 'budgets', reason: 'Entries of budgets.limits: the first that fits counts.' },
  budgetTeams: { value: 200, unit: 'teams', reason: 'Each principal is held against all of them, once.' },
  budgetPrices: { value: 1_000, unit: 'models', reason: 'As many as the lists of several providers.' },
  budgetMemo: {
    value: 20_000,
    unit: 'entries',
    reason: 'What a gateway remembers of whose budgets a call is charged in; then it is worked out again.',
  },
  budgetDebt: {
    value: 1_099_511_627_776,
    unit: 'of a unit',
    reason:
      'Debt that one call can make, a million dollars: above it an agent lies, and thousands of lies must add up.',
  },
  budgetStepMs: {
    value: 3_600_000,
    unit: 'ms',
    reason:
      'A clock that steps back by less stays in the window it was in; by more, it is the step forward that was wrong.',
  },
} as const satisfies Record<string, { value: number; unit: string; reason: string }>;

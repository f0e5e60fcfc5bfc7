/**
 * The bounds of interceptors as processes: a part of the table in `src/wire/limits.ts`.
 */

/** Value, unit, reason. */
export const splitLimits = {
  stageMs: {
    value: 1_500,
    unit: 'ms',
    reason: 'All stages of a call together; with the decision it is refused within two seconds.',
  },
  stageTryMs: {
    value: 300,
    unit: 'ms',
    reason:
      'Without an answer the question goes to another interceptor: a hop takes less than a millisecond.',
  },
  stagePauseMs: {
    value: 25,
    unit: 'ms',
    reason: 'Before a question is repeated that nobody heard, or whose interceptor was behind.',
  },
  stageQuestions: {
    value: 16_384,
    unit: 'questions',
    reason: 'Questions of a gateway without an answer; each keeps its call in memory.',
  },
} as const satisfies Record<string, { value: number; unit: string; reason: string }>;

/**
 * The bounds of agents and callers: results, partial outputs, waiting for outcomes. Part of the one table of bounds.
 */
/** Value, unit, reason. */
export const sdkLimits = {
  helloMs: {
    value: 15_000,
    unit: 'ms',
    reason: 'An agent that starts waits this long for control to take its card.',
  },
  resultRetryMs: {
    value: 1_000,
    unit: 'ms',
    reason: 'An agent repeats a result that no gateway took after this.',
  },
  resultsKept: {
    value: 10_000,
    unit: 'results',
    reason: 'Untaken results one agent keeps for repetition; more make it answer busy.',
  },
  partWindow: {
    value: 64,
    unit: 'parts',
    reason:
      'Partial outputs that may be on their way unread, unless the caller says otherwise: backpressure.',
  },
  partWindowMax: { value: 1_024, unit: 'parts', reason: 'Most a caller may ask for.' },
  partBytes: {
    value: 131_072,
    unit: 'bytes',
    reason: 'One partial output, question or answer; with the window it bounds what a stream holds anywhere.',
  },
  partRepeatMs: {
    value: 1_000,
    unit: 'ms',
    reason: 'An agent repeats unread partial outputs and unanswered questions after this.',
  },
  partStallMs: {
    value: 10_000,
    unit: 'ms',
    reason: 'A stream that nobody reads for this long is given up; the task goes on without it.',
  },
  silenceMs: {
    value: 1_500,
    unit: 'ms',
    reason: 'A caller that heard nothing this long after the deadline, or after a reconnect, recalls.',
  },
  recallFirstMs: {
    value: 100,
    unit: 'ms',
    reason: 'A call with a chosen id is asked for first after this; then at doubling distances.',
  },
  recallGraceMs: {
    value: 30_000,
    unit: 'ms',
    reason: 'How long after the deadline a caller keeps asking (D1).',
  },
  childReserveMs: {
    value: 100,
    unit: 'ms',
    reason: 'What a task keeps of its deadline for itself when it hands it to a child call.',
  },
  cancels: { value: 10_000, unit: 'cancels', reason: 'Cancels remembered that came before their call.' },
  cancelKeepMs: { value: 60_000, unit: 'ms', reason: 'How long such a cancel is remembered.' },
} as const satisfies Record<string, { value: number; unit: string; reason: string }>;

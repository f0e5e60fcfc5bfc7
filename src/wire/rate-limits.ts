/**
 * The bounds of traffic: turns, queues and rates. A part of the table in `src/wire/limits.ts`.
 */

/** Value, unit, reason. */
export const rateLimits = {
  turnsAtOnce: {
    value: 64,
    unit: 'calls',
    reason:
      'Calls of one gateway on their way through the chain into DECISIONS; while there are more, callers take turns.',
  },
  turnsQueued: {
    value: 4_096,
    unit: 'calls',
    reason: 'Calls that wait in one gateway for their turn: a caller may have half of what is left of it.',
  },
  turnsBytes: {
    value: 134_217_728,
    unit: 'bytes',
    reason: 'Their bodies together: what a gateway can hold beside its other work.',
  },
  turnWaitMs: {
    value: 2_000,
    unit: 'ms',
    reason: 'A caller whose oldest call waits longer for its turn gets no more in: well below ackWaitMs.',
  },
  priorityStepPercent: {
    value: 10,
    unit: '%',
    reason:
      'Experimental calls and batch are turned away so much before streamHighPercent, critical ones so much after.',
  },
} as const;

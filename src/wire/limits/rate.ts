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
  rateLimits: { value: 100, unit: 'limits', reason: 'Each is looked at for every call that it covers.' },
  rateAccounts: {
    value: 50_000,
    unit: 'accounts',
    reason: 'Names that one gateway counts at once, 0.3 KB each; whoever comes then is refused.',
  },
  rateFillMs: {
    value: 60_000,
    unit: 'ms',
    reason: 'A burst is there again within this: what a gateway that left had used is over by then.',
  },
  loanMs: {
    value: 2_000,
    unit: 'ms',
    reason:
      'A share of a limit is lent for so long at a time: what a gateway that died had is back after it.',
  },
  slotLeaseMs: {
    value: 5_000,
    unit: 'ms',
    reason:
      'A gateway that does not renew its part of all limits loses it after this; two renewals may be lost.',
  },
  slotSureMs: {
    value: 2_000,
    unit: 'ms',
    reason:
      'A gateway to which the server has not answered for so long uses no limit: it may have been taken for dead.',
  },
  slotRestMs: {
    value: 2_200,
    unit: 'ms',
    reason:
      'Slots are free so long after the connection of their gateway was seen to be gone: longer than it is sure, and than it lends.',
  },
  borrowMs: {
    value: 250,
    unit: 'ms',
    reason: 'A call waits so long for a share that other gateways may not need, then it is refused.',
  },
  dryMs: {
    value: 1_000,
    unit: 'ms',
    reason:
      'Other gateways that had nothing to lend are asked again after this; longer than between two looks at a parked call.',
  },
  priorityStepPercent: {
    value: 10,
    unit: '%',
    reason:
      'Experimental calls and batch are turned away so much before streamHighPercent, critical ones so much after.',
  },
} as const;

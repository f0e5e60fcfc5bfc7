/**
 * The bounds of what gateways and the supervisor hold, and of how long they wait. Part of the one table of bounds.
 */
/** Value, unit, reason. */
export const gatewayLimits = {
  waitUnackedMs: {
    value: 1_000,
    unit: 'ms',
    reason: 'A call waits this long in a gateway for capacity, then it is parked.',
  },
  waiting: {
    value: 2_048,
    unit: 'calls',
    reason: 'Calls one gateway lets wait unacked; more are parked at once.',
  },
  ackWaitMs: {
    value: 4_000,
    unit: 'ms',
    reason: 'A taken and undecided call of a dead gateway comes back after this; well above waitUnackedMs.',
  },
  takesInFlight: {
    value: 1_024,
    unit: 'calls',
    reason: 'Calls taken from CALLS and not decided, per gateway.',
  },
  lateAckMs: {
    value: 60_000,
    unit: 'ms',
    reason:
      'An acknowledgement this late tells of a pause: the duplicate window may have passed, so nothing is dispatched on it.',
  },
  pendingCalls: {
    value: 50_000,
    unit: 'calls',
    reason: 'Calls of one SDK connection that wait for their outcome.',
  },
  corkAbove: { value: 32, unit: 'calls', reason: 'With more in flight a connection gathers what it sends.' },
  corkMs: {
    value: 1,
    unit: 'ms',
    reason:
      'How long it gathers: the shortest timer there is, below a tenth of what a call takes under such load.',
  },
  pullBatch: { value: 256, unit: 'messages', reason: 'Messages asked for in one pull.' },
  openPerGateway: {
    value: 50_000,
    unit: 'calls',
    reason: 'Decisions open with one gateway (about 2 KB each).',
  },
  ackTimeoutMs: {
    value: 1_500,
    unit: 'ms',
    reason:
      'A publish without acknowledgement is repeated after this, with the same id; keeps D11 under 2 s.',
  },
  acceptMs: {
    value: 2_000,
    unit: 'ms',
    reason: 'A call that the mesh did not accept within this is given back as unavailable (D11).',
  },
  callAckMs: {
    value: 750,
    unit: 'ms',
    reason: 'A caller repeats a publish without acknowledgement after this; two fit into acceptMs.',
  },
  publishTries: {
    value: 20,
    unit: 'tries',
    reason: 'After these the writer gives up and leaves the work to redelivery or the supervisor.',
  },
  parkedRetryMs: {
    value: 1_000,
    unit: 'ms',
    reason: 'The supervisor tries a parked call again at least this often.',
  },
  parked: { value: 100_000, unit: 'calls', reason: 'Parked calls the supervisor keeps timers for.' },
  wakesInFlight: { value: 64, unit: 'calls', reason: 'Wakes the supervisor has out at once.' },
  takenFlushMs: {
    value: 20,
    unit: 'ms',
    reason: 'Settled decisions are told to an agent in batches this often.',
  },
} as const satisfies Record<string, { value: number; unit: string; reason: string }>;

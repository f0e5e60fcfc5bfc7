/**
 * The bounds of the life of a call: chains, deadlines, attempts, and the leases of those who work on it. Part of the one table of bounds.
 */
/** Value, unit, reason. */
export const lifeLimits = {
  chainDepth: { value: 16, unit: 'calls', reason: 'Deeper trees are a circle in practice.' },
  chainRepeats: {
    value: 2,
    unit: 'times',
    reason: 'A capability may stand twice in its own chain (one honest recursion); a third time is a loop.',
  },
  lifeMs: {
    value: 600_000,
    unit: 'ms',
    reason: 'Default life L of a call: outcomes are kept for it, ~1 KB of server memory each.',
  },
  lifeMaxMs: { value: 86_400_000, unit: 'ms', reason: 'Longest life a card may ask for.' },
  graceMs: {
    value: 30_000,
    unit: 'ms',
    reason: 'An outcome is kept this much longer than the life of its call.',
  },
  deadlineDefaultMs: {
    value: 30_000,
    unit: 'ms',
    reason: 'What a call without a deadline gets, from its birth.',
  },
  clockSkewMs: { value: 30_000, unit: 'ms', reason: "How far ahead a caller's clock may be." },
  duplicateWindowMs: {
    value: 120_000,
    unit: 'ms',
    reason: 'H: inside it the stream itself refuses a second decision; older calls are looked up.',
  },
  attemptMs: {
    value: 30_000,
    unit: 'ms',
    reason: 'Default time-out of one attempt of an idempotent capability.',
  },
  dispatches: { value: 5, unit: 'dispatches', reason: 'Poison is bounded (D8).' },
  crashTakes: {
    value: 5,
    unit: 'takes',
    reason: 'A call that crashes gateways while it is handled alone is given up (D8).',
  },
  backoffMs: { value: 100, unit: 'ms', reason: 'First back-off between attempts; doubles, with jitter.' },
  backoffMaxMs: { value: 5_000, unit: 'ms', reason: 'Longest back-off between attempts.' },
  leaseMs: {
    value: 2_000,
    unit: 'ms',
    reason: 'An instance or gateway that was silent this long is treated as gone.',
  },
  deadlineGraceMs: { value: 1_000, unit: 'ms', reason: 'An answer on its way at the deadline still counts.' },
  probeMs: {
    value: 2_000,
    unit: 'ms',
    reason: 'An adopted task whose agent gives no sign within this was probably never sent.',
  },
  lostGraceMs: {
    value: 10_000,
    unit: 'ms',
    reason:
      'A silent instance may only be busy: a call that must not run twice waits this much longer for its answer.',
  },
  busyWaitMaxMs: { value: 1_000, unit: 'ms', reason: 'Longest wait of a call between two busy answers.' },
  busyRestMs: { value: 25, unit: 'ms', reason: 'An instance that said busy is left alone this long.' },
  heirs: { value: 64, unit: 'gateways', reason: 'Lapsed gateways whose results the others listen for.' },
  attempts: { value: 64, unit: 'attempts', reason: 'Decisions of one call, busy answers included.' },
  lookups: {
    value: 64,
    unit: 'lookups',
    reason: 'Decisions looked up at once for results this gateway does not know.',
  },
  leaseRenewMs: {
    value: 2_000,
    unit: 'ms',
    reason:
      'The lease in the registry is written again after this long: a thousand instances cost 500 writes a second.',
  },
  leaseKvMs: {
    value: 5_000,
    unit: 'ms',
    reason:
      'The server ends a lease that no control renews or ends after this long. Two renewals may be lost.',
  },
  beatMs: { value: 700, unit: 'ms', reason: 'Two beats may be lost before a lease lapses.' },
  peerBeatMs: { value: 500, unit: 'ms', reason: 'Gateways tell their low-water mark this often.' },
} as const satisfies Record<string, { value: number; unit: string; reason: string }>;

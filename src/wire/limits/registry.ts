/**
 * The bounds of what is known of agents, and of how full streams may be. Part of the one table of bounds.
 */
/** Value, unit, reason. */
export const registryLimits = {
  agents: { value: 10_000, unit: 'agents', reason: 'Cards in the registry.' },
  instancesPerAgent: { value: 1_000, unit: 'instances', reason: 'Leases under one name.' },
  capabilities: {
    value: 20_000,
    unit: 'capabilities',
    reason: 'Distinct capability majors in the registry.',
  },
  concurrencyDefault: {
    value: 16,
    unit: 'tasks',
    reason: 'Tasks an SDK instance works on at once unless it says otherwise.',
  },
  streamHighPercent: {
    value: 80,
    unit: '%',
    reason: 'Above this new calls are refused so that accepted ones can finish.',
  },
  decisionKeepPercent: {
    value: 20,
    unit: '%',
    reason: 'Settled decisions are kept for people to look at up to this share of the stream.',
  },
  measureMs: {
    value: 150,
    unit: 'ms',
    reason:
      'An instance that does not tell its numbers within this is shown without; nats micro waits 300 ms.',
  },
  serviceRows: {
    value: 1_000,
    unit: 'instances',
    reason: 'Instances told to one request of nats micro; the others are left out.',
  },
} as const satisfies Record<string, { value: number; unit: string; reason: string }>;

/**
 * The bounds of routing and of what gateways learn: a part of the table in `src/wire/limits.ts`.
 */

/** Value, unit, reason. */
export const routeLimits = {
  routeChars: { value: 256, unit: 'characters', reason: 'The wish of one call: it stands in its decision.' },
  routeSelectors: { value: 8, unit: 'selectors', reason: 'Attributes that one call may ask for.' },
  routeTiers: { value: 4, unit: 'tiers', reason: 'Floors of success of one route, the highest first.' },
  routePreferred: { value: 16, unit: 'agents', reason: 'Agents that one route prefers, in their order.' },
  routeVariants: {
    value: 64,
    unit: 'variants',
    reason: 'Rankings that are kept for one capability: one for each wish of its calls.',
  },
  routeRankMs: {
    value: 250,
    unit: 'ms',
    reason:
      'Candidates are ranked anew this often, not for each call; a change of registry or roster counts at once.',
  },
  routeShown: { value: 6, unit: 'agents', reason: 'Other candidates that a decision names.' },
  routeProbeMs: {
    value: 6_000,
    unit: 'ms',
    reason: 'A candidate that gets no calls is tried again after this: a healed one is back within 30 s.',
  },
  routeTrialMs: {
    value: 250,
    unit: 'ms',
    reason: 'One that did better than was known of it is tried again this soon.',
  },
  routeProbePercent: {
    value: 1,
    unit: '%',
    reason:
      'Calls that are given to a candidate to see how it does now; of 30 % that are ten times as slow, two in a hundred would cost more than they tell.',
  },
  statsCells: {
    value: 20_000,
    unit: 'pairs',
    reason: 'Agents and capabilities that a gateway keeps statistics of, about 200 bytes each.',
  },
  statsBlamed: {
    value: 4_096,
    unit: 'pairs',
    reason: 'Agents and capabilities of which a gateway remembers whose calls failed last.',
  },
  statsShareMs: { value: 250, unit: 'ms', reason: 'Gateways tell each other what they saw this often.' },
  statsRows: {
    value: 2_000,
    unit: 'rows',
    reason: 'Pairs that one message of a gateway tells about; more are told with the next.',
  },
  statsForgetMs: {
    value: 600_000,
    unit: 'ms',
    reason: 'What was not seen for so long makes room when the statistics are full.',
  },
} as const satisfies Record<string, { value: number; unit: string; reason: string }>;

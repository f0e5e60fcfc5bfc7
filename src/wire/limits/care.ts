/**
 * The bounds of what keeps one failure from becoming many: a part of the table in `src/wire/limits.ts`.
 */

/** Value, unit, reason. */
export const careLimits = {
  treeRepeats: {
    value: 100,
    unit: 'calls',
    reason:
      'The same request in one tree, unless the policy says otherwise: more is a circle, or asks too often.',
  },
  treeIdle: {
    value: 500,
    unit: 'calls',
    reason:
      'Calls of one tree in a row that end without a result it had not seen, unless the policy says otherwise.',
  },
  trees: { value: 10_000, unit: 'trees', reason: 'Trees with child calls that a gateway counts in.' },
  treeMarks: {
    value: 512,
    unit: 'marks',
    reason: 'Requests, and results, that are remembered of one tree; a circle of more is not seen by them.',
  },
  treeMarksAll: { value: 200_000, unit: 'marks', reason: 'The same of all trees: about 20 MB of a gateway.' },
  treeTellMs: {
    value: 100,
    unit: 'ms',
    reason: 'Gateways tell each other of trees that repeat themselves at most so often.',
  },
  treeTold: {
    value: 256,
    unit: 'trees',
    reason: 'Trees in one such message; the others come with the next.',
  },
  retryBurst: {
    value: 10,
    unit: 'retries',
    reason: 'Retries of a capability that a gateway may make before calls have earned any; hedges alike.',
  },
  retryFindMs: {
    value: 1_000,
    unit: 'ms',
    reason: 'A retry for which nobody is free, or paid, is given up after this; the failure is the outcome.',
  },
  retryTimes: {
    value: 128,
    unit: 'attempts',
    reason: 'Completed attempts of a capability whose times a gateway remembers.',
  },
  retried: {
    value: 1_000,
    unit: 'capabilities',
    reason: 'Capabilities whose retries and times a gateway remembers; the oldest begins anew.',
  },
  breakers: {
    value: 10_000,
    unit: 'breakers',
    reason: 'Breakers that are not simply closed; beyond them none opens.',
  },
  breakerWindows: {
    value: 10_000,
    unit: 'windows',
    reason: 'Agents and capabilities that a gateway counts ends of.',
  },
  breakerCallers: {
    value: 64,
    unit: 'pairs',
    reason: 'Pairs of caller and principal that are told apart in one window; the others count as one.',
  },
  breakerLeaseMs: {
    value: 15_000,
    unit: 'ms',
    reason: 'A gateway that holds the one probe and dies: another one may try after this.',
  },
  breakerPermitMs: {
    value: 500,
    unit: 'ms',
    reason: 'A gateway that holds the probe gives it back when no call came for it meanwhile.',
  },
  breakerProbeMs: {
    value: 60_000,
    unit: 'ms',
    reason: 'A probe that has not ended by then says nothing; another call may be it.',
  },
  breakerWantedMs: {
    value: 1_000,
    unit: 'ms',
    reason: 'Only a gateway that had to turn somebody away within this tries to get the probe.',
  },
  breakerAgainMs: {
    value: 200,
    unit: 'ms',
    reason: 'Rest after a probe that told nothing, and the least that a refused caller is told to wait.',
  },
  breakerTickMs: {
    value: 50,
    unit: 'ms',
    reason: 'How often a gateway looks after breakers that are not closed.',
  },
  breakerKeepMs: {
    value: 3_600_000,
    unit: 'ms',
    reason: 'Longest a breaker stays without a change; then it counts as closed.',
  },
} as const;

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
} as const;

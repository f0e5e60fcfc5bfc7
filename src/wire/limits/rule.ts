/**
 * The bounds of the rules of a policy: a part of the table in `src/wire/limits.ts`.
 */

/** Value, unit, reason. */
export const ruleLimits = {
  policyBytes: {
    value: 393_216,
    unit: 'bytes',
    reason: 'A policy with all its rules, each with a condition of a few lines; a push is one message.',
  },
  policyStoredBytes: {
    value: 1_000_000,
    unit: 'bytes',
    reason: 'A policy as data, as it is stored: one message, below max_payload of the server.',
  },
  rules: {
    value: 2_000,
    unit: 'rules',
    reason: 'Control reads all of them at each change, 0.2 to 1 ms a rule; gateways compile them in slices.',
  },
  sliceMs: {
    value: 4,
    unit: 'ms',
    reason: 'A gateway that compiles a new policy looks after its calls again after so long.',
  },
  ruleChars: {
    value: 2_000,
    unit: 'characters',
    reason: 'A condition that is longer is several rules, and nobody reviews it as one.',
  },
  ruleNodes: { value: 256, unit: 'nodes', reason: 'Parts of one condition: bounds the time it takes.' },
  ruleDepth: { value: 24, unit: 'levels', reason: 'Nesting of one condition: bounds the stack it takes.' },
  ruleLoops: {
    value: 2,
    unit: 'levels',
    reason: 'all, exists and exists_one inside each other; a third takes the cube of a list.',
  },
  ruleWork: {
    value: 500_000,
    unit: 'steps',
    reason: 'Steps that the loops and patterns of all rules may take for one call: about 20 ms of a gateway.',
  },
  rulePatternWork: {
    value: 8,
    unit: 'steps',
    reason: 'Steps that one character costs which is held against a linear-time pattern.',
  },
  ruleNames: {
    value: 32,
    unit: 'names',
    reason: 'Rules that a decision names, the first in the file first.',
  },
  ruleNameChars: {
    value: 64,
    unit: 'characters',
    reason: 'The name of a rule, with that of its owner: it stands in decisions.',
  },
  ruleText: {
    value: 512,
    unit: 'characters',
    reason: 'A reason, and an obligation: they stand in the records of each call that they are for.',
  },
  ruleObligations: { value: 8, unit: 'obligations', reason: 'Obligations of one rule.' },
  shadowWork: {
    value: 50_000,
    unit: 'steps',
    reason: 'A candidate policy may take a tenth of what the live one may: about 2 ms of a gateway.',
  },
  shadowPercent: {
    value: 5,
    unit: 'percent',
    reason: 'Part of the time of a gateway that judging by a candidate policy takes at most.',
  },
  shadowSliceMs: {
    value: 1,
    unit: 'ms',
    reason: 'Judging by a candidate policy in one go; then calls go on.',
  },
  shadowWaiting: {
    value: 1_024,
    unit: 'calls',
    reason: 'Calls that wait for the word of a candidate policy.',
  },
  shadowBytes: { value: 8_388_608, unit: 'bytes', reason: 'Bodies of the calls that wait for it.' },
  shadowRows: {
    value: 200,
    unit: 'rows',
    reason: 'Kinds of differences that are told apart; a page of them.',
  },
  shadowExamples: { value: 3, unit: 'calls', reason: 'Examples of each difference.' },
  asks: { value: 8, unit: 'reviews', reason: 'Reviews that rules may ask for of one call: each is a call.' },
  askMs: { value: 2_000, unit: 'ms', reason: 'How long an answer of a reviewing agent is waited for.' },
  askMaxMs: {
    value: 30_000,
    unit: 'ms',
    reason: 'The longest that a rule may wait for an answer: the call is held in a gateway meanwhile.',
  },
  askRounds: {
    value: 3,
    unit: 'rounds',
    reason: 'A call is asked about again when what was asked has changed meanwhile; then it is refused.',
  },
  asking: {
    value: 2_048,
    unit: 'calls',
    reason: 'Calls for which one gateway waits for answers; for more, no answer counts.',
  },
  askWindowMs: {
    value: 60_000,
    unit: 'ms',
    reason: 'Asking the same again within this is the same call; half the duplicate window.',
  },
  askPollMs: {
    value: 100,
    unit: 'ms',
    reason:
      'A review that another gateway decided is looked for in the register after this; each time twice as long.',
  },
  askPollMaxMs: { value: 1_000, unit: 'ms', reason: 'The longest between two looks for such a review.' },
  askKeepMs: {
    value: 1_000,
    unit: 'ms',
    reason: 'The stream is told this often that a taken call still waits for answers; below ackWaitMs.',
  },
  owners: { value: 64, unit: 'owners', reason: 'Teams with a policy file of their own.' },
  ownerRules: {
    value: 100,
    unit: 'rules',
    reason: 'Rules of the file of an owner, unless the mesh owner says otherwise.',
  },
  approvers: { value: 16, unit: 'approvals', reason: 'Approvals that one rule may ask for.' },
} as const satisfies Record<string, { value: number; unit: string; reason: string }>;

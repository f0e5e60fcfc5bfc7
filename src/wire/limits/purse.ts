/**
 * The bounds of purses: a part of the table in `src/wire/limits.ts`.
 */

/** Value, unit, reason. */
export const purseLimits = {
  purseNodes: {
    value: 8_000,
    unit: 'nodes',
    reason: 'Nodes that one gateway spends from: its checkpoint is one message, about 100 bytes a node.',
  },
  checkpointMs: {
    value: 500,
    unit: 'ms',
    reason: 'What a gateway has settled is written down this often; what came after is read from the log.',
  },
  purseKeepMs: {
    value: 3_456_000_000,
    unit: 'ms',
    reason: 'Forty days: the longest window, and time to find out why a purse was not closed.',
  },
  purseSureMs: {
    value: 5_000,
    unit: 'ms',
    reason:
      'A gateway that was not confirmed for so long takes a new purse. Control closes one only when its connection is gone, so this may be longer than a lease: a busy machine is no reason.',
  },
  ledgerAwayMs: {
    value: 10_000,
    unit: 'ms',
    reason: 'Calls wait, and are parked, while the ledger is out of reach; after this they are refused.',
  },
  purseIdleMs: {
    value: 3_000,
    unit: 'ms',
    reason: 'What was allotted to a gateway and not used for so long goes back to the ledger.',
  },
  purseRestMs: {
    value: 30_000,
    unit: 'ms',
    reason:
      'The same where it is so little beside what is left that nobody misses it: each call of an agent that is called once in a while would draw anew else.',
  },
  shortMs: {
    value: 1_000,
    unit: 'ms',
    reason: 'A gateway that was asked for what it does not need answers within this, or is not waited for.',
  },
  drawTries: {
    value: 32,
    unit: 'tries',
    reason: 'Two hundred gateways that draw from one node at once get through; then the call is refused.',
  },
  nodeKeepMs: {
    value: 172_800_000,
    unit: 'ms',
    reason: 'What was spent in a window can be looked at for two days after its end.',
  },
  treeKeepMs: {
    value: 60_000,
    unit: 'ms',
    reason: 'The envelope of a tree is forgotten a minute after the life of its root; there are many.',
  },
} as const satisfies Record<string, { value: number; unit: string; reason: string }>;

/**
 * Every bound of the mesh in one place: value, unit, reason. Nothing grows without one of these.
 * Streams and buckets have theirs in `subjects/streams.ts`.
 */
import { bodyLimits } from './body-limits.js';
import { careLimits } from './care-limits.js';
import { budgetLimits } from './budget-limits.js';
import { identityLimits } from './identity-limits.js';
import { grantLimits } from './grant-limits.js';
import { llmLimits } from './llm-limits.js';
import { mcpLimits } from './mcp-limits.js';
import { purseLimits } from './purse-limits.js';
import { rateLimits } from './rate-limits.js';
import { routeLimits } from './route-limits.js';
import { ruleLimits } from './rule-limits.js';
import { sightLimits } from './sight-limits.js';
import { splitLimits } from './split-limits.js';

/** The table: value, unit and reason of each bound. */
export const limitTable = {
  bodyBytes: {
    value: 1_000_000,
    unit: 'bytes',
    reason: 'Below max_payload of the server (1 MiB) with room for headers.',
  },
  bodyDepth: {
    value: 32,
    unit: 'levels',
    reason: 'Deeper values cost stack in every reader and no real request needs them.',
  },
  bodyValues: { value: 50_000, unit: 'values', reason: 'Keeps checking one body under ten milliseconds.' },
  headerBytes: {
    value: 16_384,
    unit: 'bytes',
    reason: 'A ticket with a full chain of longest names is about 11 KB.',
  },
  schemaErrors: { value: 10, unit: 'errors', reason: 'As many as a person reads.' },
  cardBytes: { value: 262_144, unit: 'bytes', reason: 'A card with 256 capabilities of 1 KB.' },
  schemaBytes: { value: 65_536, unit: 'bytes', reason: 'Compile time of a schema grows with its size.' },
  schemaWeight: {
    value: 5_000,
    unit: 'nodes',
    reason: 'Schema nodes visited for one value, references expanded: bounds the cost of a check.',
  },
  patternChars: { value: 512, unit: 'characters', reason: 'Linear-time patterns still cost per character.' },
  patternText: {
    value: 16_384,
    unit: 'characters',
    reason: 'Linear is still about a microsecond a character; longer texts do not match any pattern.',
  },
  uniqueItems: { value: 256, unit: 'items', reason: 'uniqueItems compares pairs.' },
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
  helloMs: {
    value: 15_000,
    unit: 'ms',
    reason: 'An agent that starts waits this long for control to take its card.',
  },
  resultRetryMs: {
    value: 1_000,
    unit: 'ms',
    reason: 'An agent repeats a result that no gateway took after this.',
  },
  resultsKept: {
    value: 10_000,
    unit: 'results',
    reason: 'Untaken results one agent keeps for repetition; more make it answer busy.',
  },
  partWindow: {
    value: 64,
    unit: 'parts',
    reason:
      'Partial outputs that may be on their way unread, unless the caller says otherwise: backpressure.',
  },
  partWindowMax: { value: 1_024, unit: 'parts', reason: 'Most a caller may ask for.' },
  partBytes: {
    value: 131_072,
    unit: 'bytes',
    reason: 'One partial output, question or answer; with the window it bounds what a stream holds anywhere.',
  },
  partRepeatMs: {
    value: 1_000,
    unit: 'ms',
    reason: 'An agent repeats unread partial outputs and unanswered questions after this.',
  },
  partStallMs: {
    value: 10_000,
    unit: 'ms',
    reason: 'A stream that nobody reads for this long is given up; the task goes on without it.',
  },
  silenceMs: {
    value: 1_500,
    unit: 'ms',
    reason: 'A caller that heard nothing this long after the deadline, or after a reconnect, recalls.',
  },
  recallFirstMs: {
    value: 100,
    unit: 'ms',
    reason: 'A call with a chosen id is asked for first after this; then at doubling distances.',
  },
  recallGraceMs: {
    value: 30_000,
    unit: 'ms',
    reason: 'How long after the deadline a caller keeps asking (D1).',
  },
  childReserveMs: {
    value: 100,
    unit: 'ms',
    reason: 'What a task keeps of its deadline for itself when it hands it to a child call.',
  },
  cancels: { value: 10_000, unit: 'cancels', reason: 'Cancels remembered that came before their call.' },
  cancelKeepMs: { value: 60_000, unit: 'ms', reason: 'How long such a cancel is remembered.' },
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
  ...sightLimits,
  viewRows: { value: 1_000, unit: 'rows', reason: 'Rows of one view.' },
  findMs: { value: 5_000, unit: 'ms', reason: 'Who asks what there is waits this long for control.' },
  viewScan: {
    value: 500_000,
    unit: 'messages',
    reason: 'Messages a view reads before it says that there is more.',
  },
  ...careLimits,
  ...llmLimits,
  ...mcpLimits,
  ...grantLimits,
  ...splitLimits,
  ...bodyLimits,
  ...purseLimits,
  ...budgetLimits,
  ...routeLimits,
  ...ruleLimits,
  ...rateLimits,
  ...identityLimits,
} as const satisfies Record<string, { value: number; unit: string; reason: string }>;

/** Name of a bound. */
export type LimitName = keyof typeof limitTable;

/** The bounds as plain numbers, for code. `setLimits` may change a few of them before a process begins its work. */
export const limits: Readonly<Record<LimitName, number>> = Object.fromEntries(
  Object.entries(limitTable).map(([k, v]) => [k, v.value]),
) as Record<LimitName, number>;

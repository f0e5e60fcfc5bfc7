/**
 * The bounds of what a mesh shows of itself: metrics, spans, views of the traffic. Part of the one table of bounds.
 */
/** Value, unit, reason. */
export const sightLimits = {
  metricNames: {
    value: 200,
    unit: 'names',
    reason:
      'Distinct callers, capabilities and agents that metrics tell apart, of each; the rest counts as "other".',
  },
  metricSeries: {
    value: 2_000,
    unit: 'series',
    reason: 'Combinations of caller, capability and agent; each is about ten lines of a scrape.',
  },
  spanQueue: {
    value: 4_096,
    unit: 'spans',
    reason: 'Spans that wait for the collector (about 2 KB each); more are dropped and counted.',
  },
  spanBatch: {
    value: 256,
    unit: 'spans',
    reason: 'Spans of one export: sending them holds up a process for about a millisecond.',
  },
  spanItems: {
    value: 128,
    unit: 'items',
    reason: 'Attributes, events and links of one span, of each; what is above is left out.',
  },
  spanFlushMs: { value: 500, unit: 'ms', reason: 'A span waits at most this long for others.' },
  spansPerSecond: {
    value: 2_000,
    unit: 'spans',
    reason: 'Spans one process makes; more are dropped and counted, so that tracing never eats the mesh.',
  },
  exportTimeoutMs: {
    value: 5_000,
    unit: 'ms',
    reason: 'After this an export has failed and its spans are dropped.',
  },
  exportFlushMs: {
    value: 1_000,
    unit: 'ms',
    reason: 'A process that ends waits this long for its last spans.',
  },
  peerQueues: {
    value: 32,
    unit: 'queues',
    reason: 'Queues of waiting calls that a gateway tells with its beat, the longest ones: about 4 KB.',
  },
  pressureRows: {
    value: 20,
    unit: 'rows',
    reason: 'Queues, budgets and breakers beside the traffic, of each: the views of their own tell them all.',
  },
  trafficCalls: {
    value: 20_000,
    unit: 'calls',
    reason: 'Newest calls that one look at the traffic counts: under half a second of work for control.',
  },
  viewRows: { value: 1_000, unit: 'rows', reason: 'Rows of one view.' },
  findMs: { value: 5_000, unit: 'ms', reason: 'Who asks what there is waits this long for control.' },
  viewScan: {
    value: 500_000,
    unit: 'messages',
    reason: 'Messages a view reads before it says that there is more.',
  },
} as const satisfies Record<string, { value: number; unit: string; reason: string }>;

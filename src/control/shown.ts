/**
 * What a control process shows of itself: its metrics, and whether it can work.
 */
import { streamState } from '../fabric/streams.js';
import { Meter, type Sample } from '../sight/meter.js';
import type { Sightly } from '../sight/page.js';
import { Names } from '../sight/tally.js';
import { streams, type StreamName } from '../wire/generated/streams.js';
import type { ThresholdWatch } from './budgets/thresholds.js';
import type { Control } from './core.js';
import type { FallbackWatch } from './fallbacks.js';
import type { Supervisor } from './supervisor.js';

/** A page asked for more often than this shows the streams as they were. */
const STREAMS_MS = 1_000;

/** Show a control process whose registry is read. */
export function showControl(
  control: Control,
  supervisor: Supervisor,
  connected: () => boolean,
  thresholds: ThresholdWatch,
  fallbacks: FallbackWatch,
): Sightly {
  const meter = meterOf(control, supervisor);
  budgets(meter, control, thresholds);
  const idle = 'Fallbacks of breakers that are of no use: nobody offers them, or with another contract.';
  meter.gauge({ name: 'mesh_idle_fallbacks', help: idle }, () => [{ value: fallbacks.idle.length }]);
  return {
    metrics: async () => ({ type: meter.type, text: await meter.page() }),
    missing: () => (connected() ? [] : ['it is not connected to the server']),
  };
}

function meterOf(control: Control, supervisor: Supervisor): Meter {
  const meter = new Meter('control');
  const one = (name: string, help: string, read: () => number) =>
    meter.gauge({ name, help }, () => [{ value: read() }]);
  one('mesh_leads', '1 while this process is the supervisor.', () => Number(control.leads()));
  one('mesh_gateways', 'Gateways that are alive.', () => supervisor.gateways().length);
  one('mesh_registered_agents', 'Cards in the registry.', () => [...control.registry.agents()].length);
  const names = new Names();
  meter.gauge(
    { name: 'mesh_live_instances', help: 'Instances whose lease is alive.', labels: ['agent'] },
    () => instances(control, names),
  );
  const read = followStreams(control);
  const stream = (name: string, help: string, of: (row: StreamRow) => number) =>
    meter.gauge({ name, help, labels: ['stream'] }, async () =>
      [...(await read())].map(([key, row]) => ({ labels: { stream: key }, value: of(row) })),
    );
  stream('mesh_stream_messages', 'Messages in a stream.', ({ messages }) => messages);
  stream('mesh_stream_bytes', 'Bytes of a stream.', ({ bytes }) => bytes);
  stream('mesh_stream_fill_percent', 'Share of its bytes that a stream uses.', ({ percent }) => percent);
  meter.gauge({ name: 'mesh_parked_calls', help: 'Calls that are parked.' }, async () => [
    { value: (await read()).get('PARKED')?.messages ?? 0 },
  ]);
  return meter;
}

/** Bounded: what a budget is on, and what happened to it. */
function budgets(meter: Meter, { books }: Control, thresholds: ThresholdWatch): void {
  const help = 'Thresholds that budgets have reached, and debt, as this process has said them.';
  meter.counter({ name: 'mesh_budget_events_total', help, labels: ['on', 'what'] }, () =>
    [...thresholds.said()].map(([key, value]) => {
      const [on = '', what = ''] = key.split(' ');
      return { labels: { on, what }, value };
    }),
  );
  const quarantined = 'Agents that nothing is sent to because of their budget.';
  meter.gauge({ name: 'mesh_budget_quarantined', help: quarantined }, () => [
    { value: books.orders.out(Date.now()).length },
  ]);
}

function instances({ registry, roster }: Control, names: Names): Sample[] {
  const sums = new Map<string, number>();
  for (const { agent } of registry.agents()) {
    const name = names.fold(agent);
    sums.set(name, (sums.get(name) ?? 0) + roster.of(agent).length);
  }
  return [...sums].map(([agent, value]) => ({ labels: { agent }, value }));
}

interface StreamRow {
  readonly messages: number;
  readonly bytes: number;
  readonly percent: number;
}

/** Reads the streams, seldom; while the server does not answer, it shows none rather than old ones. */
function followStreams({ nc }: Control): () => Promise<ReadonlyMap<string, StreamRow>> {
  let readAt = -Infinity;
  let last: Promise<ReadonlyMap<string, StreamRow>> = Promise.resolve(new Map<string, StreamRow>());
  return () => {
    if (performance.now() - readAt > STREAMS_MS) {
      readAt = performance.now();
      const names = Object.keys(streams) as StreamName[];
      last = Promise.all(names.map(async (name) => [name, await streamState(nc, name)] as const))
        .then((rows) => new Map<string, StreamRow>(rows))
        .catch(() => new Map<string, StreamRow>());
    }
    return last;
  };
}

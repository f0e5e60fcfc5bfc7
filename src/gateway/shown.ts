/**
 * What a gateway shows of itself: its metrics, and whether it can work.
 */
import { limits } from '../wire/limits.js';
import { Meter } from '../sight/meter.js';
import type { Sightly } from '../sight/page.js';
import type { Tracing } from '../sight/tracing.js';
import { spanSamples } from '../sight/tracing.js';
import type { Core } from './core.js';
import type { Decider } from './decide.js';
import { isBlind } from './fallen.js';
import type { OpenSet } from './open.js';
import type { SplitChain } from './split/judge.js';
import type { Taker } from './take.js';
import type { Turns } from './turns.js';
import type { WaitingRoom } from './waiting.js';

/** The parts that are looked at. */
export interface Shown {
  readonly core: Core;
  readonly open: OpenSet;
  readonly waiting: WaitingRoom;
  readonly turns: Turns;
  readonly decider: Decider;
  readonly taker: Taker;
  /** Missing when all of the chain runs here. */
  readonly split: SplitChain | undefined;
  readonly tracing: Tracing | undefined;
  /** Is the connection to the server up? */
  readonly connected: () => boolean;
}

/** Show a gateway whose registry is read. */
export function showGateway(parts: Shown): Sightly {
  const meter = meterOf(parts);
  return {
    metrics: async () => ({ type: meter.type, text: await meter.page() }),
    missing: () => missing(parts),
  };
}

function missing({ core, taker, split, connected }: Shown): string[] {
  const list: string[] = [];
  if (!connected()) {
    list.push('it is not connected to the server');
  }
  if (isBlind(core)) {
    list.push('it cannot see what was revoked');
  }
  if (!taker.pulling) {
    const { overload } = core;
    const why =
      overload === undefined ? '' : ` (${overload.stream} is ${Math.round(overload.percent)} % full)`;
    list.push(`it takes no calls${why}`);
  }
  for (const stage of split?.absent ?? []) {
    list.push(`no interceptor of the stage ${stage} is there`);
  }
  return list;
}

function meterOf({ core, open, waiting, turns, decider, taker, split, tracing }: Shown): Meter {
  const meter = new Meter('gateway');
  const { sight } = core;
  meter.calls(sight.tally);
  const hop = 'Time of calls by hop: queue (birth until a gateway looked), decide, work, settle.';
  meter.histograms({ name: 'mesh_hop_seconds', help: hop }, 'hop', () => sight.hops);
  const guard = 'Time of the guards of timed calls (one in 16, and the sampled).';
  meter.histograms({ name: 'mesh_guard_seconds', help: guard }, 'guard', () => sight.guards);
  if (split !== undefined) {
    const stage = 'Time of questions to interceptors: both ways and the guards of the stage.';
    meter.histograms({ name: 'mesh_stage_seconds', help: stage }, 'stage', () => split.times);
    const unproven = 'Calls that no interceptor of the stage judged in time.';
    meter.counter({ name: 'mesh_stage_unproven_total', help: unproven, labels: ['stage'] }, () =>
      split.stages.map((one) => ({ labels: { stage: one }, value: split.unproven.get(one) ?? 0 })),
    );
  }
  const one = (name: string, help: string, read: () => number) =>
    meter.gauge({ name, help }, () => [{ value: read() }]);
  one('mesh_open_calls', 'Decided and not settled.', () => open.size + decider.inAir);
  one('mesh_waiting_calls', 'Waiting for capacity, before they are parked.', () => waiting.size);
  one('mesh_queued_calls', 'Waiting for their turn, before the chain.', () => turns.size);
  one('mesh_queued_callers', 'Callers whose calls wait for their turn, by priority.', () => turns.lanes);
  const shed = {
    name: 'mesh_shed_total',
    help: 'Calls turned away (batch: parked) because their caller had too many in the queue.',
    labels: ['priority'],
  };
  meter.counter(shed, () => [...turns.shed].map(([priority, value]) => ({ labels: { priority }, value })));
  one('mesh_taken_calls', 'Taken and not decided durably.', () => taker.held);
  one('mesh_live_instances', 'Instances whose lease is alive.', () => core.roster.size);
  one('mesh_registered_agents', 'Cards in the registry.', () => [...core.registry.agents()].length);
  meter.counter({ name: 'mesh_parked_total', help: 'Calls that this gateway parked.' }, () => [
    { value: sight.parked },
  ]);
  meter.gauge(
    { name: 'mesh_stream_fill_percent', help: 'Share of its bytes that a stream uses.', labels: ['stream'] },
    () => Object.entries(core.fill).map(([stream, value]) => ({ labels: { stream }, value })),
  );
  one('mesh_stream_high_percent', 'From here on new calls are refused.', () => limits.streamHighPercent);
  shadowMetrics(meter, core);
  const spans = {
    name: 'mesh_spans_total',
    help: 'Spans: exported, dropped (too many), failed.',
    labels: ['result'],
  };
  meter.counter(spans, () => spanSamples(tracing));
  return meter;
}

/** Counted anew for each candidate, and whenever the live policy changes. */
function shadowMetrics(meter: Meter, core: Core): void {
  const calls = {
    name: 'mesh_shadow_calls_total',
    help: 'Calls held against the candidate policy: same, differ, skipped (no time), unjudged.',
    labels: ['result'],
  };
  meter.counter(calls, () => {
    const { same, differ, skipped, unjudged } = core.shadow?.report() ?? {};
    const all = Object.entries({ same, differ, skipped, unjudged });
    return all.flatMap(([result, value]) => (value === undefined ? [] : [{ labels: { result }, value }]));
  });
  const kinds = {
    name: 'mesh_shadow_differences_total',
    help: 'Calls of which the live policy and the candidate say different things, by what each says.',
    labels: ['live', 'candidate'],
  };
  meter.counter(kinds, () =>
    (core.shadow?.report().rows ?? []).map(({ live, candidate, count }) => ({
      labels: { live: live.said, candidate: candidate.said },
      value: count,
    })),
  );
}

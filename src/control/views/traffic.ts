/**
 * View of the traffic: the newest calls counted by who called, what, and who did it; and beside them agents, queues, budgets and
 * breakers.
 */
import { streamState } from '../../fabric/streams.js';
import type { View } from '../../wire/generated/messages.js';
import { limits } from '../../wire/limits.js';
import { viewBreakers } from '../breakers.js';
import type { Control } from '../core.js';
import type { Supervisor } from '../supervisor.js';
import { Budget, fit, mark } from './bounds.js';
import { budgetsNear, waitsNow } from './pressure.js';
import { recentCalls, type Recent } from './recent.js';
import { stateOf } from './records.js';
import type { BusyRow, TrafficPage, TrafficRow } from './traffic-page.js';

const SECONDS = 60;
const ERRORS = new Set(['failed', 'unknown']);
const REFUSED = new Set(['refused', 'expired', 'cancelled']);

/** What is counted for one row. */
class Counted {
  calls = 0;
  running = 0;
  errors = 0;
  refused = 0;
  readonly tookMs: number[] = [];
}

/** The traffic of the last seconds (60 unless asked otherwise), of at most so many calls. */
export async function viewTraffic(
  control: Control,
  supervisor: Supervisor,
  { seconds = SECONDS, limit = limits.viewRows }: View,
): Promise<TrafficPage> {
  const untilAt = Date.now();
  const asked = untilAt - seconds * 1000;
  const budget = new Budget();
  const found = await newest(control, budget, asked);
  const { calls } = found;
  const oldest = calls.at(-1)?.record.at;
  const cut = found.more || budget.truncated;
  const sorted = rowsOf(calls, untilAt).sort((a, b) => b.calls - a.calls);
  const { rows, cut: long } = fit(sorted.slice(0, limit), 600_000);
  const agents = busyRows(control, calls);
  const shown = fit(agents, 200_000);
  const [waiting, waits, { breakers }] = await Promise.all([
    queues(control, supervisor),
    waitsNow(control, supervisor.gateways(), untilAt),
    viewBreakers(control, { limit: limits.pressureRows }),
  ]);
  return {
    sinceAt: cut && oldest !== undefined ? oldest : asked,
    untilAt,
    calls: calls.length,
    rows,
    agents: shown.rows,
    queues: waiting,
    gateways: supervisor.gateways().length,
    waits,
    budgets: budgetsNear(control, untilAt),
    breakers,
    ...mark(cut || long || shown.cut || rows.length < sorted.length),
  };
}

/** The newest calls down to an instant, the newest first. */
async function newest(
  control: Control,
  budget: Budget,
  sinceMs: number,
): Promise<{ calls: Recent[]; more: boolean }> {
  const calls: Recent[] = [];
  for await (const window of recentCalls(control, budget)) {
    for (const call of window) {
      if (call.record.at < sinceMs) {
        return { calls, more: false };
      }
      if (calls.length >= limits.trafficCalls) {
        return { calls, more: true };
      }
      calls.push(call);
    }
  }
  return { calls, more: false };
}

function rowsOf(calls: readonly Recent[], nowMs: number): TrafficRow[] {
  const counted = new Map<string, { call: Recent; sum: Counted }>();
  for (const call of calls) {
    const { from, capability } = call.record;
    const key = `${from} ${capability} ${agentOf(call)}`;
    const known = counted.get(key) ?? { call, sum: new Counted() };
    counted.set(key, known);
    count(known.sum, call, nowMs);
  }
  return [...counted.values()].map(({ call, sum }) => rowOf(call, sum));
}

function count(sum: Counted, { record, outcome }: Recent, nowMs: number): void {
  const status = stateOf(record, outcome, nowMs);
  sum.calls++;
  sum.running += Number(status === 'running');
  sum.errors += Number(ERRORS.has(status));
  sum.refused += Number(REFUSED.has(status));
  if (outcome !== undefined && record.verdict === 'allow') {
    sum.tookMs.push(Math.max(0, outcome.at - record.at));
  }
}

function rowOf(call: Recent, { calls, running, errors, refused, tookMs }: Counted): TrafficRow {
  const sorted = tookMs.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  const agent = agentOf(call);
  return {
    from: call.record.from,
    capability: call.record.capability,
    ...(agent === 'none' ? {} : { agent }),
    calls,
    running,
    errors,
    refused,
    ...(sorted.length === 0 ? {} : { p50Ms: at(0.5), p95Ms: at(0.95), maxMs: at(1) }),
  };
}

function agentOf({ record, outcome }: Recent): string {
  return outcome?.agent ?? record.agent;
}

/** Every agent, the busy ones first; those without a call are idle. */
function busyRows(control: Control, calls: readonly Recent[]): BusyRow[] {
  const given = new Map<string, number>();
  for (const call of calls) {
    given.set(agentOf(call), (given.get(agentOf(call)) ?? 0) + 1);
  }
  return [...control.registry.agents()]
    .map(({ agent }) => {
      const instances = control.roster.of(agent);
      return {
        agent,
        instances: instances.length,
        inFlight: instances.reduce((sum, { reported }) => sum + reported, 0),
        concurrency: instances.reduce((sum, { concurrency }) => sum + concurrency, 0),
        calls: given.get(agent) ?? 0,
      };
    })
    .sort((a, b) => b.calls - a.calls || (a.agent < b.agent ? -1 : 1));
}

async function queues({ nc }: Control, supervisor: Supervisor): Promise<TrafficPage['queues']> {
  const [accepted, parked] = await Promise.all([streamState(nc, 'CALLS'), streamState(nc, 'PARKED')]);
  const peers = supervisor.gateways().map(({ peer }) => peer);
  return {
    accepted: accepted.messages,
    parked: parked.messages,
    open: peers.reduce((sum, peer) => sum + peer.open, 0),
    waiting: peers.reduce((sum, peer) => sum + (peer.waiting ?? 0), 0),
  };
}

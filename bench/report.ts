/**
 * What a run prints: a line for each window, medians of each configuration, a table for people.
 */
import { table } from '../src/cli/output.js';
import type { CpuUsPerCall, Measured } from './measure.js';
import type { Setup } from './options.js';

/** One window. The ratios of a mesh line compare it with the floor of the same round and configuration. */
export interface Line extends Setup, Omit<Measured, 'foreignCpu'> {
  readonly name: 'floor' | 'mesh';
  readonly round: number;
  readonly inFlight: number;
  readonly ratioOps: number | null;
  readonly ratioP50: number | null;
}

/** The rounds of one configuration in one line. */
export interface Summary extends Setup {
  readonly name: 'summary';
  readonly inFlight: number;
  readonly rounds: number;
  readonly floor: Middle;
  readonly mesh: Middle;
  readonly ratioOps: { readonly median: number; readonly min: number };
  readonly ratioP50: { readonly median: number; readonly max: number };
  /** Share of the machine that processes of others took in the worst window: high means rough numbers. */
  readonly foreignCpu: number;
}

interface Middle {
  readonly opsPerSec: number;
  readonly p50us: number;
  readonly p99us: number;
  readonly cpuUsPerCall: CpuUsPerCall & { readonly total: number | null };
}

/** The line of a window, with the fields in the order of the documentation. */
export function lineOf(
  name: Line['name'],
  setup: Setup,
  round: number,
  inFlight: number,
  it: Measured,
  floor: Measured | undefined,
): Line {
  return {
    name,
    round,
    inFlight,
    agents: setup.agents,
    gateways: setup.gateways,
    sync: setup.sync,
    opsPerSec: Math.round(it.opsPerSec),
    p50us: Math.round(it.p50us),
    p99us: Math.round(it.p99us),
    ratioOps: floor === undefined ? null : places(it.opsPerSec / floor.opsPerSec, 3),
    ratioP50: floor === undefined ? null : places(it.p50us / floor.p50us, 2),
    cpuUsPerCall: mapCpu((part) => places(it.cpuUsPerCall[part], 1)),
  };
}

/** Medians, and the worst round of each ratio. */
export function summaryOf(lines: readonly Line[], foreignCpu: number): Summary {
  const mesh = lines.filter((line) => line.name === 'mesh');
  const [first] = mesh;
  if (first === undefined) {
    throw new Error('no round was measured');
  }
  const ops = mesh.map((line) => line.ratioOps ?? 0);
  const p50 = mesh.map((line) => line.ratioP50 ?? 0);
  return {
    name: 'summary',
    inFlight: first.inFlight,
    agents: first.agents,
    gateways: first.gateways,
    sync: first.sync,
    rounds: mesh.length,
    floor: middle(lines.filter((line) => line.name === 'floor')),
    mesh: middle(mesh),
    ratioOps: { median: places(median(ops), 3), min: Math.min(...ops) },
    ratioP50: { median: places(median(p50), 2), max: Math.max(...p50) },
    foreignCpu: places(foreignCpu, 2),
  };
}

function middle(lines: readonly Line[]): Middle {
  const cpu = mapCpu((part) => {
    const known = lines.map((line) => line.cpuUsPerCall[part]).filter((it) => it !== null);
    return known.length === lines.length ? places(median(known), 1) : null;
  });
  const total = Object.values(cpu).reduce<number | null>(
    (sum, it) => (sum === null || it === null ? null : sum + it),
    0,
  );
  return {
    opsPerSec: median(lines.map((line) => line.opsPerSec)),
    p50us: median(lines.map((line) => line.p50us)),
    p99us: median(lines.map((line) => line.p99us)),
    cpuUsPerCall: { ...cpu, total: places(total, 1) },
  };
}

function mapCpu(of: (part: keyof CpuUsPerCall) => number | null): CpuUsPerCall {
  return {
    server: of('server'),
    gateway: of('gateway'),
    interceptor: of('interceptor'),
    caller: of('caller'),
    agent: of('agent'),
    control: of('control'),
  };
}

/** The middle one; of two middle ones their mean. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length / 2;
  const [low = 0, high = low] = [sorted[Math.ceil(half) - 1], sorted[Math.floor(half)]];
  return (low + high) / 2;
}

function places(value: number, digits: number): number;
function places(value: number | null, digits: number): number | null;
function places(value: number | null, digits: number): number | null {
  return value === null ? null : Number(value.toFixed(digits));
}

const HEAD = ['sync', 'gateways', 'agents', 'in flight', 'ops ratio', 'worst', 'p50 ratio', 'worst'];
const HEAD_RATES = ['floor ops/s', 'mesh ops/s', 'floor p50', 'mesh p50', 'mesh p99'];
const HEAD_CPU = ['server', 'gateway', 'caller', 'agent', 'control', 'all'];

/** The table of a run, and under it what a call costs each process. */
export function tableOf(summaries: readonly Summary[]): string[] {
  const keys = (s: Summary) => [s.sync, String(s.gateways), String(s.agents), String(s.inFlight)];
  const rates = summaries.map((s) => [
    ...keys(s),
    s.ratioOps.median.toFixed(3),
    s.ratioOps.min.toFixed(3),
    s.ratioP50.median.toFixed(2),
    s.ratioP50.max.toFixed(2),
    s.floor.opsPerSec.toFixed(0),
    s.mesh.opsPerSec.toFixed(0),
    `${s.floor.p50us.toFixed(0)} µs`,
    `${s.mesh.p50us.toFixed(0)} µs`,
    `${s.mesh.p99us.toFixed(0)} µs`,
  ]);
  const costs = summaries.flatMap((s) => [
    [...keys(s), 'floor', ...costOf(s.floor)],
    [...keys(s), 'mesh', ...costOf(s.mesh)],
  ]);
  return [
    'Calls: mesh beside floor, medians over the rounds',
    '',
    ...table(rates, [...HEAD, ...HEAD_RATES]),
    '',
    'CPU time per call in µs (the agent of the floor is its worker; one core gives 1 000 000 a second)',
    '',
    ...table(costs, [...HEAD.slice(0, 4), 'of', ...HEAD_CPU]),
  ];
}

function costOf({ cpuUsPerCall: c }: Middle): string[] {
  return [c.server, c.gateway, c.caller, c.agent, c.control, c.total].map((it) =>
    it === null ? '?' : it.toFixed(1),
  );
}

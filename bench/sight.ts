/**
 * What looking costs: the mesh beside itself, each with more or less sight, in turns in the same run. Every mode has a
 * server and processes of its own, so that all are warm; one works while the others are idle.
 */
import { table } from '../src/cli/output.js';
import { note, withRig } from './lifetime.js';
import { measure, type Measured, type Side } from './measure.js';
import type { BenchOptions } from './options.js';
import type { SightMode } from './protocol.js';
import { median } from './report.js';
import type { Rig } from './rig.js';
import { meshSide } from './sides.js';

const RAMP_MS = 200;
/** What happens to one call in ten is compiled ten times later: this much longer than the floor's warm-up. */
const WARM = 4;
const AGENTS = 10;

/** One mode at one number of calls in flight. */
interface SightSummary {
  readonly name: 'sight';
  readonly mode: SightMode;
  readonly inFlight: number;
  readonly rounds: number;
  readonly opsPerSec: number;
  readonly p50us: number;
  readonly gatewayUs: number | null;
  /** Against the first mode, in the same round. */
  readonly ratio: { readonly median: number; readonly min: number };
  readonly foreignCpu: number;
}

/** Run it and print a line for each mode. */
export async function compareSight(options: BenchOptions, modes: readonly SightMode[]): Promise<void> {
  const sides = new Map<SightMode, Side>();
  const inner = (rest: readonly SightMode[]): Promise<void> => {
    const [mode, ...others] = rest;
    if (mode === undefined) {
      return run(options, sides);
    }
    note(`sight ${mode}: starting`);
    const rig = { sync: 'default' as const, gateways: 1, agents: AGENTS, profile: options.profile };
    return withRig({ ...rig, sight: mode, collector: mode !== 'off' }, (it: Rig) => {
      sides.set(mode, meshSide(it));
      return inner(others);
    });
  };
  await inner(modes);
}

async function run(options: BenchOptions, sides: ReadonlyMap<SightMode, Side>): Promise<void> {
  const summaries: SightSummary[] = [];
  for (const side of sides.values()) {
    await look(side, Math.max(...options.inFlight), (WARM * options.warmProcessMs) / 1000);
  }
  for (const inFlight of options.inFlight) {
    const seen = new Map<SightMode, Measured[]>([...sides.keys()].map((mode) => [mode, []]));
    for (let round = 0; round < options.rounds; round++) {
      // There and back again: whatever drifts during a round touches each mode alike.
      const turn = round % 2 === 0 ? [...sides] : [...sides].reverse();
      for (const [mode, side] of turn) {
        seen.get(mode)?.push(await look(side, inFlight, options.seconds));
      }
      const ops = [...seen].map(([mode, list]) => `${mode} ${Math.round(list.at(-1)?.opsPerSec ?? 0)}`);
      note(`  ${inFlight} in flight, round ${round + 1}: ${ops.join(', ')} calls/s`);
    }
    const [base = []] = seen.values();
    summaries.push(...[...seen].map(([mode, list]) => summaryOf(mode, inFlight, list, base)));
  }
  print(options, summaries);
}

function look(side: Side, inFlight: number, seconds: number): Promise<Measured> {
  return measure(side, { inFlight, rampMs: RAMP_MS, windowMs: seconds * 1000 });
}

function summaryOf(
  mode: SightMode,
  inFlight: number,
  list: readonly Measured[],
  base: readonly Measured[],
): SightSummary {
  const ratios = list.map((one, i) => one.opsPerSec / (base[i]?.opsPerSec ?? Number.NaN));
  const costs = list.map(({ cpuUsPerCall }) => cpuUsPerCall.gateway).filter((us) => us !== null);
  const three = (value: number): number => Number(value.toFixed(3));
  return {
    name: 'sight',
    mode,
    inFlight,
    rounds: list.length,
    opsPerSec: Math.round(median(list.map(({ opsPerSec }) => opsPerSec))),
    p50us: Math.round(median(list.map(({ p50us }) => p50us))),
    gatewayUs: costs.length === 0 ? null : Number(median(costs).toFixed(1)),
    ratio: { median: three(median(ratios)), min: three(Math.min(...ratios)) },
    foreignCpu: three(Math.max(...list.map((one) => one.foreignCpu))),
  };
}

function print({ json }: BenchOptions, summaries: readonly SightSummary[]): void {
  if (json) {
    return summaries.forEach((one) => void process.stdout.write(`${JSON.stringify(one)}\n`));
  }
  const rows = summaries.map((one) => [
    one.mode,
    String(one.inFlight),
    one.ratio.median.toFixed(3),
    one.ratio.min.toFixed(3),
    String(one.opsPerSec),
    `${one.p50us} µs`,
    `${one.gatewayUs ?? '?'} µs`,
    `${Math.round(one.foreignCpu * 100)} %`,
  ]);
  const head = ['sight', 'in flight', 'ratio', 'worst', 'calls/s', 'p50', 'gateway CPU', 'others'];
  process.stdout.write(`${table(rows, head).join('\n')}\n`);
}

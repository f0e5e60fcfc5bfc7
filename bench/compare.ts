/**
 * What something costs: the mesh beside itself, with more or less of it (sight, rules), in turns in the same run. Every
 * variant has a server and processes of its own, so that all are warm; one works while the others are idle.
 */
import { table } from '../src/cli/output.js';
import { note, withRig } from './lifetime.js';
import { measure, type Measured, type Side } from './measure.js';
import type { BenchOptions } from './options.js';
import { median } from './report.js';
import type { Rig, RigOptions } from './rig.js';
import { meshSide } from './sides.js';

const RAMP_MS = 200;
/** What happens to one call in ten is compiled ten times later: this much longer than the floor's warm-up. */
const WARM = 4;
const AGENTS = 10;

/** What is compared: a name, and what its rig has. */
export interface Variant {
  readonly mode: string;
  readonly rig: Pick<RigOptions, 'sight' | 'collector' | 'rules'>;
}

/** One variant at one number of calls in flight. */
interface Comparison {
  readonly name: string;
  readonly mode: string;
  readonly inFlight: number;
  readonly rounds: number;
  readonly opsPerSec: number;
  readonly p50us: number;
  readonly gatewayUs: number | null;
  /** Against the first variant, in the same round. */
  readonly ratio: { readonly median: number; readonly min: number };
  readonly foreignCpu: number;
}

/** Run it and print a line for each variant. `name` is what they differ in. */
export async function compare(
  options: BenchOptions,
  name: string,
  variants: readonly Variant[],
): Promise<void> {
  const sides = new Map<string, Side>();
  const inner = (rest: readonly Variant[]): Promise<void> => {
    const [variant, ...others] = rest;
    if (variant === undefined) {
      return run(options, name, sides);
    }
    note(`${name} ${variant.mode}: starting`);
    const rig = { sync: 'default' as const, gateways: 1, agents: AGENTS, profile: options.profile };
    return withRig({ ...rig, ...variant.rig }, (it: Rig) => {
      sides.set(variant.mode, meshSide(it));
      return inner(others);
    });
  };
  await inner(variants);
}

async function run(options: BenchOptions, name: string, sides: ReadonlyMap<string, Side>): Promise<void> {
  const summaries: Comparison[] = [];
  for (const side of sides.values()) {
    await look(side, Math.max(...options.inFlight), (WARM * options.warmProcessMs) / 1000);
  }
  for (const inFlight of options.inFlight) {
    const seen = new Map<string, Measured[]>([...sides.keys()].map((mode) => [mode, []]));
    for (let round = 0; round < options.rounds; round++) {
      // There and back again: whatever drifts during a round touches each variant alike.
      const turn = round % 2 === 0 ? [...sides] : [...sides].reverse();
      for (const [mode, side] of turn) {
        seen.get(mode)?.push(await look(side, inFlight, options.seconds));
      }
      const ops = [...seen].map(([mode, list]) => `${mode} ${Math.round(list.at(-1)?.opsPerSec ?? 0)}`);
      note(`  ${inFlight} in flight, round ${round + 1}: ${ops.join(', ')} calls/s`);
    }
    const [base = []] = seen.values();
    summaries.push(...[...seen].map(([mode, list]) => summaryOf({ name, mode, inFlight }, list, base)));
  }
  print(options, name, summaries);
}

function look(side: Side, inFlight: number, seconds: number): Promise<Measured> {
  return measure(side, { inFlight, rampMs: RAMP_MS, windowMs: seconds * 1000 });
}

function summaryOf(
  what: Pick<Comparison, 'name' | 'mode' | 'inFlight'>,
  list: readonly Measured[],
  base: readonly Measured[],
): Comparison {
  const ratios = list.map((one, i) => one.opsPerSec / (base[i]?.opsPerSec ?? Number.NaN));
  const costs = list.map(({ cpuUsPerCall }) => cpuUsPerCall.gateway).filter((us) => us !== null);
  const three = (value: number): number => Number(value.toFixed(3));
  return {
    ...what,
    rounds: list.length,
    opsPerSec: Math.round(median(list.map(({ opsPerSec }) => opsPerSec))),
    p50us: Math.round(median(list.map(({ p50us }) => p50us))),
    gatewayUs: costs.length === 0 ? null : Number(median(costs).toFixed(1)),
    ratio: { median: three(median(ratios)), min: three(Math.min(...ratios)) },
    foreignCpu: three(Math.max(...list.map((one) => one.foreignCpu))),
  };
}

function print({ json }: BenchOptions, name: string, summaries: readonly Comparison[]): void {
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
  const head = [name, 'in flight', 'ratio', 'worst', 'calls/s', 'p50', 'gateway CPU', 'others'];
  process.stdout.write(`${table(rows, head).join('\n')}\n`);
}

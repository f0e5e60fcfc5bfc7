/**
 * What something costs: the mesh beside itself, with more or less of it (sight, rules), in turns in the same run. Every
 * variant has a server and processes of its own, so that all are warm; one works while the others are idle. Two equal
 * sets of processes differ by several percent for as long as they live, and so there are several sittings, each with
 * fresh ones, started in another order.
 */
import { table } from '../src/cli/output.js';
import { note, withRig } from './lifetime.js';
import { measure, type CpuUsPerCall, type Measured, type Side } from './measure.js';
import type { BenchOptions } from './options.js';
import { median } from './report.js';
import type { Rig, RigOptions } from './rig.js';
import { meshSide } from './sides.js';

const RAMP_MS = 200;
/** What happens to one call in ten is compiled later: this much longer than the floor's warm-up. */
const WARM = 2;
const AGENTS = 10;

/** What is compared: a name, and what its rig has. */
export interface Variant {
  readonly mode: string;
  readonly rig: Pick<RigOptions, 'sight' | 'collector' | 'rules' | 'split' | 'routing' | 'budget' | 'rates'> &
    Partial<Pick<RigOptions, 'agents'>>;
}

/** One variant at one number of calls in flight. */
interface Comparison {
  readonly name: string;
  readonly mode: string;
  readonly inFlight: number;
  readonly rounds: number;
  readonly opsPerSec: number;
  readonly p50us: number;
  readonly cpuUsPerCall: CpuUsPerCall;
  /** The same of all processes together. */
  readonly cpuUs: number | null;
  /** Against the first variant, in the same round. */
  readonly ratio: { readonly median: number; readonly min: number };
  readonly foreignCpu: number;
}

/** Opens the sides of one sitting, starting with the mode that is named first, gives them to `work`, and ends them. */
export type OpenSides = (
  modes: readonly string[],
  work: (sides: ReadonlyMap<string, Side>) => Promise<void>,
) => Promise<void>;

/** Compare rigs and print a line for each variant. `name` is what they differ in. */
export async function compare(
  options: BenchOptions,
  name: string,
  variants: readonly Variant[],
): Promise<void> {
  const open: OpenSides = (modes, work) =>
    withSides(
      options,
      modes.flatMap((mode) => variants.filter((one) => one.mode === mode)),
      work,
    );
  await compareSides(
    options,
    name,
    variants.map(({ mode }) => mode),
    open,
  );
}

/** Compare sides, however they are opened; the first mode is what the others are held against. */
export async function compareSides(
  options: BenchOptions,
  name: string,
  modes: readonly string[],
  open: OpenSides,
): Promise<void> {
  const seen: Seen = new Map();
  for (let sitting = 0; sitting < options.sittings; sitting++) {
    const first = sitting % modes.length;
    note(`${name}, sitting ${sitting + 1} of ${options.sittings}: starting`);
    await open([...modes.slice(first), ...modes.slice(0, first)], (sides) => sit(options, sides, seen));
  }
  print(options, name, summariesOf(name, options, modes, seen));
}

/** What was measured, by variant and calls in flight, round by round. */
type Seen = Map<string, Measured[]>;

const keyOf = (mode: string, inFlight: number): string => `${mode} ${inFlight}`;

/** Start a rig for each variant, one after the other, and end them all. */
async function withSides(
  options: BenchOptions,
  variants: readonly Variant[],
  work: (sides: ReadonlyMap<string, Side>) => Promise<void>,
  sides = new Map<string, Side>(),
): Promise<void> {
  const [variant, ...others] = variants;
  if (variant === undefined) {
    return work(sides);
  }
  const rig = { sync: 'default' as const, gateways: 1, agents: AGENTS, profile: options.profile };
  await withRig({ ...rig, ...variant.rig }, (it: Rig) =>
    withSides(options, others, work, sides.set(variant.mode, meshSide(it))),
  );
}

async function sit(options: BenchOptions, sides: ReadonlyMap<string, Side>, seen: Seen): Promise<void> {
  for (const side of sides.values()) {
    await look(side, Math.max(...options.inFlight), (WARM * options.warmProcessMs) / 1000);
  }
  for (const inFlight of options.inFlight) {
    for (let round = 0; round < options.rounds; round++) {
      // There and back again: whatever drifts during a round touches each variant alike.
      const turn = round % 2 === 0 ? [...sides] : [...sides].reverse();
      const ops: string[] = [];
      for (const [mode, side] of turn) {
        const measured = await look(side, inFlight, options.seconds);
        const key = keyOf(mode, inFlight);
        seen.set(key, [...(seen.get(key) ?? []), measured]);
        ops.push(`${mode} ${Math.round(measured.opsPerSec)}`);
      }
      note(`  ${inFlight} in flight, round ${round + 1}: ${ops.join(', ')} calls/s`);
    }
  }
}

function summariesOf(
  name: string,
  { inFlight }: BenchOptions,
  modes: readonly string[],
  seen: Seen,
): Comparison[] {
  return inFlight.flatMap((n) => {
    const base = seen.get(keyOf(modes[0] ?? '', n)) ?? [];
    return modes.map((mode) => summaryOf({ name, mode, inFlight: n }, seen.get(keyOf(mode, n)) ?? [], base));
  });
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
  const three = (value: number): number => Number(value.toFixed(3));
  return {
    ...what,
    rounds: list.length,
    opsPerSec: Math.round(median(list.map(({ opsPerSec }) => opsPerSec))),
    p50us: Math.round(median(list.map(({ p50us }) => p50us))),
    cpuUsPerCall: {
      server: medianUs(list.map(({ cpuUsPerCall }) => cpuUsPerCall.server)),
      gateway: medianUs(list.map(({ cpuUsPerCall }) => cpuUsPerCall.gateway)),
      interceptor: medianUs(list.map(({ cpuUsPerCall }) => cpuUsPerCall.interceptor)),
      caller: medianUs(list.map(({ cpuUsPerCall }) => cpuUsPerCall.caller)),
      agent: medianUs(list.map(({ cpuUsPerCall }) => cpuUsPerCall.agent)),
      control: medianUs(list.map(({ cpuUsPerCall }) => cpuUsPerCall.control)),
    },
    cpuUs: medianUs(list.map(({ cpuUsPerCall }) => wholeUs(cpuUsPerCall))),
    ratio: { median: three(median(ratios)), min: three(Math.min(...ratios)) },
    foreignCpu: three(Math.max(...list.map((one) => one.foreignCpu))),
  };
}

function wholeUs(cost: CpuUsPerCall): number | null {
  const parts = Object.values(cost) as (number | null)[];
  return parts.reduce((sum, us) => (sum === null || us === null ? null : sum + us), 0);
}

type Part = keyof CpuUsPerCall;

function us(value: number | null): string {
  return value === null ? '?' : String(Math.round(value));
}

function medianUs(costs: readonly (number | null)[]): number | null {
  const known = costs.filter((us) => us !== null);
  return known.length === 0 ? null : Number(median(known).toFixed(1));
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
    ...['server', 'gateway', 'interceptor', 'caller', 'agent'].map((part) =>
      us(one.cpuUsPerCall[part as Part]),
    ),
    us(one.cpuUs),
    `${Math.round(one.foreignCpu * 100)} %`,
  ]);
  const head = [
    name,
    'in flight',
    'ratio',
    'worst',
    'calls/s',
    'p50',
    'server',
    'gateway',
    'interceptors',
    'caller',
    'agents',
    'CPU',
    'others',
  ];
  process.stdout.write(`${table(rows, head).join('\n')}\n`);
}

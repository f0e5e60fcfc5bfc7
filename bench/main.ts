/**
 * The bench: floor and mesh on the same server, in turns. Results on stdout, progress on stderr.
 */
import { appendFileSync } from 'node:fs';
import { compare } from './compare.js';
import { compareGrants } from './grants.js';
import { note, runProgram, withRig } from './lifetime.js';
import { measure, type Side } from './measure.js';
import { readOptions, setupsOf, type BenchOptions, type Setup } from './options.js';
import type { Window } from './protocol.js';
import { lineOf, summaryOf, tableOf, type Line, type Summary } from './report.js';
import type { Rig } from './rig.js';
import { bothSides, fasterPuller, type Puller } from './sides.js';
import { versionOf } from './version.js';

const WARM_MS = 1_000;
const RAMP_MS = 200;
/** Above this share the numbers say more about the neighbours than about us. */
const NOISY = 0.05;

const options = readOptions(process.argv.slice(2));
let puller: Puller | undefined = options.floorPuller === 'fastest' ? undefined : options.floorPuller;

await runProgram('bench', async () => {
  if (options.sight !== undefined) {
    const variants = options.sight.map((mode) => ({ mode, rig: { sight: mode, collector: mode !== 'off' } }));
    await compare(options, 'sight', variants);
    return 0;
  }
  if (options.rules !== undefined) {
    const variants = options.rules.map((rules) => ({ mode: `${rules.all}:${rules.apply}`, rig: { rules } }));
    await compare(options, 'rules', variants);
    return 0;
  }
  if (options.split !== undefined) {
    const variants = options.split.map((split) => ({ mode: split.join('+') || 'none', rig: { split } }));
    await compare(options, 'split', variants);
    return 0;
  }
  if (options.routing !== undefined) {
    const agents = Math.max(...options.agents);
    const variants = options.routing.map((routing) => ({ mode: routing, rig: { routing, agents } }));
    await compare(options, 'routing', variants);
    return 0;
  }
  if (options.budget !== undefined) {
    const agents = Math.max(...options.agents);
    const variants = options.budget.map((mode) => ({ mode, rig: { budget: mode === 'on', agents } }));
    await compare(options, 'budget', variants);
    return 0;
  }
  if (options.rates !== undefined) {
    const agents = Math.max(...options.agents);
    const variants = options.rates.map((mode) => ({ mode, rig: { rates: mode === 'on', agents } }));
    await compare(options, 'rates', variants);
    return 0;
  }
  if (options.grants) {
    await compareGrants(options);
    return 0;
  }
  const summaries: Summary[] = [];
  for (const setup of setupsOf(options)) {
    note(`sync ${setup.sync}, gateways ${setup.gateways}, agents ${setup.agents}: starting`);
    const rig = { ...setup, profile: options.profile };
    summaries.push(...(await withRig(rig, (it) => runSetup(it, setup, options))));
  }
  report(summaries);
  return 0;
});

async function runSetup(rig: Rig, setup: Setup, plan: BenchOptions): Promise<Summary[]> {
  const { inFlight, rounds, seconds } = plan;
  puller ??= await fasterPuller(rig);
  const sides = await bothSides(rig, puller);
  await warm(sides.mesh, Math.max(...inFlight), plan.warmProcessMs);
  const summaries: Summary[] = [];
  for (const n of inFlight) {
    await warm(sides.floor, n, WARM_MS);
    await warm(sides.mesh, n, WARM_MS);
    const lines: Line[] = [];
    let foreignCpu = 0;
    for (let round = 1; round <= rounds; round++) {
      const window: Window = { inFlight: n, rampMs: RAMP_MS, windowMs: seconds * 1000 };
      const ran = await runRound(sides, setup, round, window);
      lines.push(...ran.lines);
      foreignCpu = Math.max(foreignCpu, ran.foreignCpu);
    }
    summaries.push(summaryOf(lines, foreignCpu));
  }
  return summaries;
}

async function runRound(
  { floor, mesh }: { floor: Side; mesh: Side },
  setup: Setup,
  round: number,
  window: Window,
): Promise<{ lines: readonly Line[]; foreignCpu: number }> {
  const low = await measure(floor, window);
  const high = await measure(mesh, window);
  const { inFlight } = window;
  const line = lineOf('mesh', setup, round, inFlight, high, low);
  const lines = [lineOf('floor', setup, round, inFlight, low, undefined), line];
  lines.forEach(print);
  const foreignCpu = Math.max(low.foreignCpu, high.foreignCpu);
  const noise = foreignCpu > NOISY ? `; others used ${(foreignCpu * 100).toFixed(0)} % of the machine` : '';
  note(`  ${inFlight} in flight, round ${round}: ops × ${line.ratioOps}, p50 × ${line.ratioP50}${noise}`);
  return { lines, foreignCpu };
}

async function warm(side: Side, inFlight: number, ms: number): Promise<void> {
  await measure(side, { inFlight, rampMs: ms / 2, windowMs: ms / 2 });
}

function print(value: object): void {
  if (options.json) {
    process.stdout.write(`${JSON.stringify(value)}\n`);
  }
}

function report(summaries: readonly Summary[]): void {
  summaries.forEach(print);
  if (!options.json) {
    process.stdout.write(`${tableOf(summaries).join('\n')}\n`);
  }
  if (options.history !== undefined) {
    const head = { date: new Date().toISOString().slice(0, 10), version: versionOf(), puller };
    appendFileSync(options.history, summaries.map((s) => `${JSON.stringify({ ...head, ...s })}\n`).join(''));
  }
}

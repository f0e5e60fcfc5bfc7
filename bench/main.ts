/**
 * The bench: floor and mesh on the same server, in turns. Results on stdout, progress on stderr.
 */
import { appendFileSync } from 'node:fs';
import { note, runProgram, withRig } from './lifetime.js';
import { measure, type Side } from './measure.js';
import { readOptions, setupsOf, type BenchOptions, type Setup } from './options.js';
import type { Window } from './protocol.js';
import { lineOf, summaryOf, tableOf, type Line, type Summary } from './report.js';
import type { Rig } from './rig.js';
import { bothSides, fasterPuller, type Puller } from './sides.js';
import { versionOf } from './version.js';

const WARM_MS = 1_000;
/** A fresh process compiles its code first. */
const WARM_PROCESS_MS = 2_000;
const RAMP_MS = 200;
/** Above this share the numbers say more about the neighbours than about us. */
const NOISY = 0.05;

const options = readOptions(process.argv.slice(2));
let puller: Puller | undefined = options.floorPuller === 'fastest' ? undefined : options.floorPuller;

await runProgram('bench', async () => {
  const summaries: Summary[] = [];
  for (const setup of setupsOf(options)) {
    note(`sync ${setup.sync}, gateways ${setup.gateways}, agents ${setup.agents}: starting`);
    const rig = { ...setup, profile: options.profile };
    summaries.push(...(await withRig(rig, (it) => runSetup(it, setup, options))));
  }
  report(summaries);
  return 0;
});

async function runSetup(
  rig: Rig,
  setup: Setup,
  { inFlight, rounds, seconds }: BenchOptions,
): Promise<Summary[]> {
  puller ??= await fasterPuller(rig);
  const sides = await bothSides(rig, puller);
  await warm(sides.mesh, Math.max(...inFlight), WARM_PROCESS_MS);
  const summaries: Summary[] = [];
  for (const n of inFlight) {
    await warm(sides.floor, n, WARM_MS);
    await warm(sides.mesh, n, WARM_MS);
    const lines: Line[] = [];
    for (let round = 1; round <= rounds; round++) {
      const window: Window = { inFlight: n, rampMs: RAMP_MS, windowMs: seconds * 1000 };
      lines.push(...(await runRound(sides, setup, round, window)));
    }
    summaries.push(summaryOf(lines));
  }
  return summaries;
}

async function runRound(
  { floor, mesh }: { floor: Side; mesh: Side },
  setup: Setup,
  round: number,
  window: Window,
): Promise<[Line, Line]> {
  const low = await measure(floor, window);
  const high = await measure(mesh, window);
  const { inFlight } = window;
  const lines: [Line, Line] = [
    lineOf('floor', setup, round, inFlight, low, undefined),
    lineOf('mesh', setup, round, inFlight, high, low),
  ];
  lines.forEach(print);
  const foreign = Math.max(low.foreignCpu, high.foreignCpu);
  const noise = foreign > NOISY ? `; others used ${(foreign * 100).toFixed(0)} % of the machine` : '';
  note(
    `  ${inFlight} in flight, round ${round}: ops × ${lines[1].ratioOps}, p50 × ${lines[1].ratioP50}${noise}`,
  );
  return lines;
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

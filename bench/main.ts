/**
 * The bench: floor and mesh on the same server, in turns. Results on stdout, progress on stderr.
 */
import { appendFileSync } from 'node:fs';
import { measure, type Side } from './measure.js';
import { readOptions, setupsOf, type BenchOptions, type Setup } from './options.js';
import type { Window } from './protocol.js';
import { lineOf, summaryOf, tableOf, type Line, type Summary } from './report.js';
import { startRig, type Rig } from './rig.js';
import { versionOf } from './version.js';

const WARM_MS = 1_000;
const WARM_PROCESS_MS = 2_000;
const RAMP_MS = 200;

const options = readOptions(process.argv.slice(2));
let puller: 'client' | 'light' | undefined =
  options.floorPuller === 'fastest' ? undefined : options.floorPuller;

function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

function print(value: object): void {
  if (options.json) {
    process.stdout.write(`${JSON.stringify(value)}\n`);
  }
}

/** The rig that runs now: a signal must not leave it behind. */
let current: Rig | undefined;

async function runAll(): Promise<Summary[]> {
  const summaries: Summary[] = [];
  for (const setup of setupsOf(options)) {
    note(`sync ${setup.sync}, ${setup.gateways} gateways, ${setup.agents} agents: starting`);
    current = await startRig({ ...setup, profile: options.profile });
    try {
      summaries.push(...(await runSetup(current, setup, options)));
    } finally {
      await current.stop();
      current = undefined;
    }
  }
  return summaries;
}

async function runSetup(rig: Rig, setup: Setup, { inFlight, rounds, seconds }: BenchOptions): Promise<Summary[]> {
  const [floor, mesh] = await sidesOf(rig);
  await warm(floor, mesh, Math.max(...inFlight), WARM_PROCESS_MS);
  const summaries: Summary[] = [];
  for (const n of inFlight) {
    await warm(floor, mesh, n, WARM_MS);
    const lines: Line[] = [];
    for (let round = 1; round <= rounds; round++) {
      const window: Window = { inFlight: n, rampMs: RAMP_MS, windowMs: seconds * 1000 };
      const low = await measure(floor, window);
      const high = await measure(mesh, window);
      lines.push(lineOf('floor', setup, round, n, low, undefined), lineOf('mesh', setup, round, n, high, low));
      lines.slice(-2).forEach(print);
    }
    const summary = summaryOf(lines);
    if (summary !== undefined) {
      note(
        `  ${n} in flight: ops × ${summary.ratioOps.median.toFixed(3)}, p50 × ${summary.ratioP50.median.toFixed(2)}`,
      );
      summaries.push(summary);
    }
  }
  return summaries;
}

async function sidesOf(rig: Rig): Promise<[floor: Side, mesh: Side]> {
  const serverPid = rig.server.pid;
  const caller = await rig.floor('floor-caller');
  const sideWith = async (which: 'client' | 'light'): Promise<Side> => ({
    serverPid,
    caller,
    worker: await rig.floor('floor-worker', which),
    gateways: [],
    control: [],
    idle: [rig.caller, rig.agents, rig.control, ...rig.gateways],
  });
  puller ??= await fasterPuller(sideWith);
  const floor = await sideWith(puller);
  const mesh = {
    serverPid,
    caller: rig.caller,
    worker: rig.agents,
    gateways: rig.gateways,
    control: [rig.control],
  };
  return [floor, { ...mesh, idle: [floor.caller, floor.worker] }];
}

/** The floor must be honest: its worker uses whichever puller is faster on this machine. */
async function fasterPuller(
  sideWith: (which: 'client' | 'light') => Promise<Side>,
): Promise<'client' | 'light'> {
  const rates = { client: 0, light: 0 };
  for (const which of ['client', 'light'] as const) {
    const side = await sideWith(which);
    const { opsPerSec } = await measure(side, { inFlight: 256, rampMs: WARM_MS, windowMs: WARM_MS });
    rates[which] = opsPerSec;
    await side.worker.stop();
  }
  const winner = rates.client > rates.light ? 'client' : 'light';
  const share = Math.max(rates.client, rates.light) / Math.min(rates.client, rates.light);
  note(`floor: the worker pulls with ${WORDS[winner]}, ${share.toFixed(2)} × as fast as the other way`);
  return winner;
}

const WORDS = { client: "the client's own consume()", light: 'the puller of the product' } as const;

async function warm(floor: Side, mesh: Side, inFlight: number, ms: number): Promise<void> {
  await measure(floor, { inFlight, rampMs: ms / 2, windowMs: ms / 2 });
  await measure(mesh, { inFlight, rampMs: ms / 2, windowMs: ms / 2 });
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

const alive = setInterval(() => undefined, 1_000); // waiting for a process that was let go keeps nothing alive

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    note(`${signal}: stopping`);
    void Promise.resolve(current?.stop()).finally(() => process.exit(130));
  });
}

try {
  report(await runAll());
} catch (err) {
  note(`bench: ${err instanceof Error ? (err.stack ?? err.message) : String(err)}`);
  process.exitCode = 1;
}
clearInterval(alive);
process.exit();

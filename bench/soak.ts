/**
 * The soak: half of the measured peak for a long time. Memory and disk must stay under a bound that was computed
 * before, and the last minute must be as fast as the first.
 */
import { Command } from 'commander';
import { connectBroker } from '../src/fabric/connection.js';
import { streamState } from '../src/fabric/streams.js';
import type { StreamName } from '../src/wire/generated/streams.js';
import { boundOf, formulas, plan, type Bound, type Known } from './bound.js';
import { note, runProgram, withRig } from './lifetime.js';
import { measure } from './measure.js';
import type { Rig } from './rig.js';
import { meshSide } from './sides.js';
import { judge, sampleEvery, toLine, type Verdict } from './soak-samples.js';
import { LIFE_MS } from './workload.js';

const PEAK_MS = 10_000;
const WARM_MS = 4_000;
const PEAK_IN_FLIGHT = 256;
const MOST_IN_FLIGHT = 2_048;
const AGENTS = 10;
const MB = 1_000_000;

interface Options {
  readonly json?: true;
  readonly minutes: number;
}

const command = new Command('soak')
  .description('Half of the measured peak for ten minutes: memory, disk and rate over time, judged.')
  .option('--minutes <n>', 'how long (default 10)', Number, 10)
  .option('--json', 'one JSON object per line on stdout')
  .exitOverride((err) => process.exit(err.exitCode === 0 ? 0 : 2));
const options = command.parse(process.argv).opts<Options>();

await runProgram('soak', () => withRig({ sync: 'default', gateways: 1, agents: AGENTS }, soak));

async function soak(rig: Rig): Promise<number> {
  const known = await look(rig);
  const bound = boundOf(known);
  tellBound(known, bound);
  const window = {
    inFlight: MOST_IN_FLIGHT,
    rampMs: 0,
    windowMs: known.seconds * 1000,
    perSecond: known.callsPerSecond,
  };
  const samples = sampleEvery(rig, known.seconds, (sample) => {
    if (options.json === true) {
      print({ name: 'sample', ...sample });
    } else {
      process.stdout.write(`${toLine(sample)}\n`);
    }
  });
  const seen = await rig.caller.run(
    window,
    () => undefined,
    () => undefined,
  );
  const verdict = judge(await samples, bound, seen);
  tellVerdict(verdict);
  return verdict.pass ? 0 : 1;
}

/** Find the peak, and how large a message of each stream is. */
async function look(rig: Rig): Promise<Known> {
  note(`soak: looking for the peak with ${PEAK_IN_FLIGHT} calls in flight`);
  const side = meshSide(rig);
  const peak = await measure(side, { inFlight: PEAK_IN_FLIGHT, rampMs: WARM_MS, windowMs: PEAK_MS });
  note(`soak: the peak is ${peak.opsPerSec.toFixed(0)} calls per second`);
  const { user, url } = rig.floorUser;
  const nc = await connectBroker({ url, name: user.name, seed: user.seed });
  const meanBytes = async (stream: StreamName): Promise<number> => {
    const { bytes, messages } = await streamState(nc, stream);
    return messages === 0 ? 0 : bytes / messages;
  };
  const [decisionBytes, outcomeBytes] = [await meanBytes('DECISIONS'), await meanBytes('OUTCOMES')];
  await nc.close();
  return {
    callsPerSecond: Math.round(peak.opsPerSec / 2),
    lifeMs: LIFE_MS,
    seconds: Math.round(options.minutes * 60),
    inFlight: MOST_IN_FLIGHT,
    callBytes: decisionBytes, // a call is smaller than its decision, which carries its body too
    decisionBytes,
    outcomeBytes,
  };
}

function print(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

function tellBound(known: Known, bound: Bound): void {
  if (options.json === true) {
    return print({ name: 'bound', known, plan, bound });
  }
  const mb = (bytes: number) => `${(bytes / MB).toFixed(0)} MB`;
  const lines = [
    `${known.callsPerSecond} calls per second for ${known.seconds} s, life ${known.lifeMs / 1000} s`,
    '',
    ...formulas.map((line) => `  ${line}`),
    '',
    `bound: server ${mb(bound.serverBytes)}, each other process ${mb(bound.processBytes)}, disk ${mb(bound.diskBytes)}`,
    '',
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

function tellVerdict(verdict: Verdict): void {
  if (options.json === true) {
    return print({ name: 'soak', ...verdict });
  }
  const lines = ['', ...verdict.checks.map(({ pass, what }) => `${pass ? 'PASS' : 'FAIL'}  ${what}`)];
  process.stdout.write(`${lines.join('\n')}\n`);
}

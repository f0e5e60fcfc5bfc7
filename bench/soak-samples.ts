/**
 * What is looked at during a soak, and how it is judged.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bound } from './bound.js';
import { sampleProcess } from './cpu.js';
import { diskUse } from './disk.js';
import type { Seen } from './protocol.js';
import { median } from './report.js';
import type { Rig } from './rig.js';

const EVERY_MS = 5_000;
const MINUTE_S = 60;
/** The rate of a sample is known from the second one on, and the first seconds are a ramp. */
const WARM_S = 10;
const RATE_CHANGE = 0.1;
const MB = 1_000_000;

/** One look at everything. */
export interface Sample {
  readonly atS: number;
  readonly callsPerSec: number;
  /** Memory in bytes; the server's is 0 where the operating system does not tell. */
  readonly rss: Readonly<Record<'server' | 'gateway' | 'control' | 'caller' | 'agent', number>>;
  readonly disk: number;
}

/** PASS or FAIL, with the reasons. */
export interface Verdict {
  readonly pass: boolean;
  readonly checks: readonly { readonly pass: boolean; readonly what: string }[];
  readonly firstMinute: number;
  readonly lastMinute: number;
  readonly most: Sample['rss'] & { readonly disk: number };
  readonly bound: Bound;
  readonly calls: number;
  readonly failed: number;
  readonly p50us: number;
  readonly p99us: number;
}

/** Look every few seconds, for so many seconds. */
export async function sampleEvery(
  rig: Rig,
  seconds: number,
  onSample: (sample: Sample) => void,
): Promise<Sample[]> {
  const samples: Sample[] = [];
  const beganMs = performance.now();
  let before = { atMs: beganMs, completed: (await rig.caller.sample()).completed };
  for (let next = EVERY_MS; next <= seconds * 1000; next += EVERY_MS) {
    await sleep(beganMs + next - performance.now());
    const caller = await rig.caller.sample();
    const atMs = performance.now();
    const rate = ((caller.completed - before.completed) / (atMs - before.atMs)) * 1000;
    before = { atMs, completed: caller.completed };
    const sample = {
      atS: (atMs - beganMs) / 1000,
      callsPerSec: rate,
      ...(await lookAt(rig, caller.rssBytes)),
    };
    samples.push(sample);
    onSample(sample);
  }
  return samples;
}

async function lookAt(rig: Rig, caller: number): Promise<Pick<Sample, 'rss' | 'disk'>> {
  const [control, agent, ...gateways] = await Promise.all(
    [rig.control, rig.agents, ...rig.gateways].map((one) => one.sample()),
  );
  return {
    rss: {
      server: sampleProcess(rig.server.pid)?.rssBytes ?? 0,
      gateway: Math.max(...gateways.map((one) => one.rssBytes)),
      control: control?.rssBytes ?? 0,
      caller,
      agent: agent?.rssBytes ?? 0,
    },
    disk: diskUse(join(rig.dir, 'jetstream')),
  };
}

/** One sample for people. */
export function toLine({ atS, callsPerSec, rss, disk }: Sample): string {
  const mb = (bytes: number) => `${(bytes / MB).toFixed(0)} MB`.padStart(8);
  const memory = Object.entries(rss).map(([who, bytes]) => `${who} ${mb(bytes)}`);
  return `${atS.toFixed(0).padStart(4)} s  ${callsPerSec.toFixed(0).padStart(6)}/s  ${memory.join('  ')}  disk ${mb(disk)}`;
}

/** Judge a soak. */
export function judge(samples: readonly Sample[], bound: Bound, seen: Seen): Verdict {
  const most = mostOf(samples);
  const end = samples.at(-1)?.atS ?? 0;
  const rateOf = (from: number, to: number) =>
    median(samples.filter(({ atS }) => atS > from && atS <= to).map((s) => s.callsPerSec));
  const firstMinute = rateOf(WARM_S, WARM_S + MINUTE_S);
  const lastMinute = rateOf(end - MINUTE_S, end);
  const below = (what: string, value: number, limit: number) => ({
    pass: value < limit,
    what: `${what}: at most ${(value / MB).toFixed(0)} MB, bound ${(limit / MB).toFixed(0)} MB`,
  });
  const checks = [
    below('memory of the server', most.server, bound.serverBytes),
    ...(['gateway', 'control', 'caller', 'agent'] as const).map((who) =>
      below(`memory of ${who}`, most[who], bound.processBytes),
    ),
    below('disk', most.disk, bound.diskBytes),
    {
      pass: Math.abs(lastMinute / firstMinute - 1) <= RATE_CHANGE,
      what: `rate: first minute ${firstMinute.toFixed(0)}/s, last minute ${lastMinute.toFixed(0)}/s`,
    },
    { pass: seen.failed === 0, what: `calls: ${seen.calls} completed, ${seen.failed} did not` },
  ];
  return {
    pass: checks.every((check) => check.pass),
    checks,
    firstMinute,
    lastMinute,
    most,
    bound,
    calls: seen.calls,
    failed: seen.failed,
    p50us: Math.round(seen.p50us),
    p99us: Math.round(seen.p99us),
  };
}

function mostOf(samples: readonly Sample[]): Verdict['most'] {
  const max = (of: (s: Sample) => number) => Math.max(0, ...samples.map(of));
  return {
    server: max((s) => s.rss.server),
    gateway: max((s) => s.rss.gateway),
    control: max((s) => s.rss.control),
    caller: max((s) => s.rss.caller),
    agent: max((s) => s.rss.agent),
    disk: max((s) => s.disk),
  };
}

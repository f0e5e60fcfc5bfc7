/**
 * CPU time and memory of processes. Ours tell their own; the server's are read from the operating system.
 */
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** One look at a process. */
export interface ProcessSample {
  /** When it was taken, in ms of this machine's monotonic clock as the process sees it. */
  readonly atMs: number;
  /** CPU time used so far, user and system. */
  readonly cpuUs: number;
  readonly rssBytes: number;
}

/** Look at this process. */
export function sampleSelf(): ProcessSample {
  const { user, system } = process.cpuUsage();
  return { atMs: performance.now(), cpuUs: user + system, rssBytes: process.memoryUsage.rss() };
}

/** Linux counts CPU time in hundredths of a second, whatever the kernel's own tick. */
const TICK_US = 10_000;
const PAGE_BYTES = 4_096;

/** Look at another process; undefined where the operating system does not tell. */
export function sampleProcess(pid: number): ProcessSample | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const at = (n: number) => Number(fields[n - 3]); // proc(5) counts from 1, and two fields are cut off
    return { atMs: performance.now(), cpuUs: (at(14) + at(15)) * TICK_US, rssBytes: at(24) * PAGE_BYTES };
  } catch {
    return undefined;
  }
}

/** CPU time per call between two looks, in µs, at this rate of calls. */
export function cpuPerCall(
  before: ProcessSample | undefined,
  after: ProcessSample | undefined,
  callsPerSecond: number,
): number | null {
  if (before === undefined || after === undefined || callsPerSecond === 0) {
    return null;
  }
  const seconds = (after.atMs - before.atMs) / 1000;
  return (after.cpuUs - before.cpuUs) / seconds / callsPerSecond;
}

/** CPU time that the whole machine has used so far, all cores together. */
export function sampleMachine(): ProcessSample {
  const usedMs = cpus().reduce((sum, { times: t }) => sum + t.user + t.nice + t.sys + t.irq, 0);
  return { atMs: performance.now(), cpuUs: usedMs * 1000, rssBytes: 0 };
}

/** Cores of this machine. */
export const cores = cpus().length;

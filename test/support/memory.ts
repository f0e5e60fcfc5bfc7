/**
 * The memory of another process, as Linux counts it.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const LINE = { now: /^VmRSS:\s+(\d+) kB$/m, peak: /^VmHWM:\s+(\d+) kB$/m };

function read(pid: number, line: RegExp): number {
  return Number(line.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? Number.NaN) * 1024;
}

/** Begin to watch. The result tells how many bytes the highest resident set lay above that of the beginning. */
export function watchMemory(pid: number): () => number {
  writeFileSync(`/proc/${pid}/clear_refs`, '5'); // the peak begins anew
  const before = read(pid, LINE.now);
  return () => read(pid, LINE.peak) - before;
}

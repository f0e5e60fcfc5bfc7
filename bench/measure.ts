/**
 * One measured window: calls per second and latency from the caller, CPU time per call of every process.
 */
import { cores, cpuPerCall, sampleMachine, sampleProcess, sampleSelf, type ProcessSample } from './cpu.js';
import type { PartProcess } from './processes.js';
import type { Seen, Window } from './protocol.js';

/** CPU time per call in µs; null where the operating system does not tell. */
export interface CpuUsPerCall {
  readonly server: number | null;
  /** All gateways together; 0 for the floor. */
  readonly gateway: number | null;
  /** All interceptors together; 0 where gateways judge the whole chain. */
  readonly interceptor: number | null;
  readonly caller: number | null;
  /** Whoever did the work: the process of the agents, or the worker of the floor. */
  readonly agent: number | null;
  readonly control: number | null;
}

/** What one window gave. */
export interface Measured {
  readonly opsPerSec: number;
  readonly p50us: number;
  readonly p99us: number;
  readonly cpuUsPerCall: CpuUsPerCall;
  /** Share of the machine's CPU that was used by processes which are not of this run. */
  readonly foreignCpu: number;
}

/** The processes that take part in one side, and the server. */
export interface Side {
  readonly serverPid: number;
  readonly caller: PartProcess;
  readonly worker: PartProcess;
  readonly gateways: readonly PartProcess[];
  readonly interceptors: readonly PartProcess[];
  readonly control: readonly PartProcess[];
  /** Processes of the rig that have nothing to do on this side. */
  readonly idle: readonly PartProcess[];
}

/** Calls that may fail in a window before it counts for nothing. */
const FAILED_SHARE = 0.001;

/** Run one window and look at every process when it opens and when it closes. */
export async function measure(side: Side, window: Window): Promise<Measured> {
  const looks: Promise<Look>[] = [];
  const take = () => void looks.push(look(side));
  const seen = await side.caller.run(window, take, take);
  judge(seen);
  const [before, after] = await Promise.all(looks);
  if (before === undefined || after === undefined) {
    throw new Error('the window was not seen from both ends');
  }
  const rate = seen.calls / seen.seconds;
  const cost = (which: (it: Look) => readonly (ProcessSample | undefined)[]): number | null => {
    const ends = which(after);
    const each = which(before).map((from, i) => cpuPerCall(from, ends[i], rate));
    return each.reduce<number | null>((sum, it) => (sum === null || it === null ? null : sum + it), 0);
  };
  return {
    opsPerSec: rate,
    p50us: seen.p50us,
    p99us: seen.p99us,
    cpuUsPerCall: {
      server: cost((it) => [it.server]),
      gateway: cost((it) => it.gateways),
      interceptor: cost((it) => it.interceptors),
      caller: cost((it) => [it.caller]),
      agent: cost((it) => [it.worker]),
      control: cost((it) => it.control),
    },
    foreignCpu: foreignCpu(before, after),
  };
}

interface Look {
  readonly server: ProcessSample | undefined;
  readonly caller: ProcessSample;
  readonly worker: ProcessSample;
  readonly gateways: readonly ProcessSample[];
  readonly interceptors: readonly ProcessSample[];
  readonly control: readonly ProcessSample[];
  /** Everything of this run together, and the machine. */
  readonly oursUs: number;
  readonly machine: ProcessSample;
}

async function look(side: Side): Promise<Look> {
  const server = sampleProcess(side.serverPid);
  const all = (list: readonly PartProcess[]) => Promise.all(list.map((one) => one.sample()));
  const machine = sampleMachine();
  const [caller, worker, gateways, interceptors, control, idle] = await Promise.all([
    side.caller.sample(),
    side.worker.sample(),
    all(side.gateways),
    all(side.interceptors),
    all(side.control),
    all(side.idle),
  ]);
  const ours = [sampleSelf(), caller, worker, ...gateways, ...interceptors, ...control, ...idle];
  const oursUs = ours.reduce((sum, it) => sum + it.cpuUs, server?.cpuUs ?? 0);
  return { server, caller, worker, gateways, interceptors, control, oursUs, machine };
}

function foreignCpu(before: Look, after: Look): number {
  const capacityUs = (after.machine.atMs - before.machine.atMs) * 1000 * cores;
  const usedUs = after.machine.cpuUs - before.machine.cpuUs;
  return Math.max(0, (usedUs - (after.oursUs - before.oursUs)) / capacityUs);
}

function judge({ calls, failed, firstError }: Seen): void {
  if (calls === 0 || failed > calls * FAILED_SHARE) {
    throw new Error(
      `${failed} calls failed and ${calls} completed; the first said: ${firstError ?? 'nothing'}`,
    );
  }
}

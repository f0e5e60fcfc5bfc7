/**
 * `mesh.json`: what runs on a data folder. Written by `mesh up`, read by every other command.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { places, readJson, writeWhole } from '../fabric/folder.js';
import { commandOf, isAlive } from '../fabric/processes.js';
import { serverPid } from '../fabric/server.js';

/** A process of the mesh. */
export interface ProcessState {
  readonly pid: number;
  /** Where it shows its metrics. */
  readonly metrics?: string;
}

/** What runs. */
export interface MeshState {
  readonly version: 1;
  /** The process that started it all and will end it. */
  readonly pid: number;
  readonly url: string;
  readonly policy: string;
  /** Missing when the server is not ours (NATS_URL). */
  readonly server?: ProcessState & { readonly port: number; readonly version: string };
  readonly control: ProcessState;
  readonly gateways: readonly ProcessState[];
  /** Missing when the server knows all users itself. */
  readonly identity?: readonly ProcessState[];
  /** Missing when gateways judge the whole chain themselves. */
  readonly interceptors?: readonly ProcessState[];
  readonly startedAt: string;
}

/** The state of the folder if its mesh runs; what a crash has left behind counts for nothing. */
export function readState(dir: string): MeshState | undefined {
  const value = readJson(join(dir, places.state));
  return isState(value) && isRunning(dir, value) ? value : undefined;
}

/** Write it whole. */
export function writeState(dir: string, state: MeshState): void {
  writeWhole(join(dir, places.state), `${JSON.stringify(state, undefined, 2)}\n`);
}

/** The mesh of this folder has stopped. */
export function removeState(dir: string): void {
  rmSync(join(dir, places.state), { force: true });
}

/** The owner lives, and one of its children does: a process id alone may belong to somebody else by now. */
function isRunning(dir: string, state: MeshState): boolean {
  const own = [state.control, ...state.gateways].some(({ pid }) => commandOf(pid).includes(dir));
  return isAlive(state.pid) && (own || (state.server !== undefined && serverPid(dir) !== undefined));
}

function isState(value: unknown): value is MeshState {
  const state = (typeof value === 'object' && value !== null ? value : {}) as Partial<MeshState>;
  return (
    state.version === 1 &&
    typeof state.url === 'string' &&
    typeof state.pid === 'number' &&
    Array.isArray(state.gateways)
  );
}

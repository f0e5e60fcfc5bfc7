/**
 * The two sides of a rig: the mesh, and the floor beside it.
 */
import { note } from './lifetime.js';
import { measure, type Side } from './measure.js';
import type { FloorPuller } from './options.js';
import type { Rig } from './rig.js';

/** How the worker of the floor pulls. */
export type Puller = Exclude<FloorPuller, 'fastest'>;

const TRIAL_MS = 1_000;
const WORDS: Readonly<Record<Puller, string>> = {
  client: "the client's own consume()",
  light: 'the puller of the product',
};

/** The mesh as it is shipped. */
export function meshSide(rig: Rig): Side {
  return {
    serverPid: rig.server.pid,
    caller: rig.caller,
    worker: rig.agents,
    gateways: rig.gateways,
    interceptors: rig.interceptors,
    control: [rig.control],
    idle: rig.extra,
  };
}

/** Start the floor and give it the processes of the mesh as idle ones, and the mesh those of the floor. */
export async function bothSides(rig: Rig, puller: Puller): Promise<{ floor: Side; mesh: Side }> {
  const floor = await floorSide(rig, puller);
  return { floor, mesh: { ...meshSide(rig), idle: [floor.caller, floor.worker] } };
}

async function floorSide(rig: Rig, puller: Puller): Promise<Side> {
  const worker = await rig.start({ part: 'floor-worker', puller, ...rig.floorUser });
  return {
    serverPid: rig.server.pid,
    caller: await rig.start({ part: 'floor-caller', ...rig.floorUser }),
    worker,
    gateways: [],
    interceptors: [],
    control: [],
    idle: [rig.caller, rig.agents, rig.control, ...rig.gateways],
  };
}

/** The floor must be honest: its worker uses whichever puller is faster on this machine. */
export async function fasterPuller(rig: Rig): Promise<Puller> {
  const rates: Record<Puller, number> = { client: 0, light: 0 };
  for (const which of ['client', 'light'] as const) {
    const side = await floorSide(rig, which);
    const window = { inFlight: 256, rampMs: TRIAL_MS, windowMs: TRIAL_MS };
    rates[which] = (await measure(side, window)).opsPerSec;
    await side.caller.stop();
    await side.worker.stop();
  }
  const winner = rates.client > rates.light ? 'client' : 'light';
  const share = Math.max(rates.client, rates.light) / Math.min(rates.client, rates.light);
  note(`floor: the worker pulls with ${WORDS[winner]}, ${share.toFixed(2)} × as fast as the other way`);
  return winner;
}

/**
 * View of the mesh's own state.
 */
import { kvGet, streamState } from '../../fabric/streams.js';
import { streams, type StreamName } from '../../wire/generated/streams.js';
import type { Control } from '../core.js';
import type { Supervisor } from '../supervisor.js';
import type { StatePage, StreamRow } from './pages.js';

/** Gateways, streams, who leads, and how many of everything. */
export async function viewState(control: Control, supervisor: Supervisor): Promise<StatePage> {
  const [leader, rows] = await Promise.all([
    kvGet(control.nc, 'mesh_state', 'supervisor'),
    Promise.all((Object.keys(streams) as StreamName[]).map((name) => rowOf(control, name))),
  ]);
  const agents = [...control.registry.agents()];
  return {
    gateways: supervisor.gateways().map(({ gateway, peer }) => ({ gateway, ...peer })),
    ...(leader === undefined ? {} : { supervisor: leader }),
    control: control.id,
    streams: rows,
    parked: rows.find(({ stream }) => stream === 'PARKED')?.messages ?? 0,
    agents: {
      registered: agents.length,
      alive: agents.filter(({ agent }) => control.roster.alive(agent)).length,
    },
    instances: agents.reduce((sum, { agent }) => sum + control.roster.of(agent).length, 0),
    policy: control.policy.digest,
  };
}

async function rowOf({ nc }: Control, stream: StreamName): Promise<StreamRow> {
  const { messages, bytes, percent } = await streamState(nc, stream);
  return { stream, messages, bytes, percent: Math.round(percent * 100) / 100 };
}

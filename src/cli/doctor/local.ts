/**
 * What can be seen without a connection: the binary, the data folder, and the processes.
 */
import { textIfAny, places } from '../../fabric/folder.js';
import { join } from 'node:path';
import type { Facts } from '../../domain/weakness/facts.js';
import type { Finding } from '../../domain/weakness/finding.js';
import { openFiles } from '../../fabric/modes.js';
import { isAlive } from '../../fabric/processes.js';
import { findServer, versionOf } from '../../fabric/server-binary.js';
import { readSync } from '../../fabric/server-conf.js';
import { renderedUsers } from '../../fabric/users.js';
import { asMeshError } from '../../wire/errors.js';
import type { MeshState } from '../state.js';
import { mend } from './mend.js';

/** The server binary that `mesh up` would start; that there is none is a finding. */
export async function lookAtBinary(): Promise<string | Finding> {
  try {
    return versionOf(await findServer());
  } catch (err) {
    return mend('server-binary', 'server binary', false, 'none', 'one', asMeshError(err, 'doctor').help);
  }
}

/** Files of the folder; nothing when it is none of ours. */
export async function lookAtFolder(dir: string, ours: boolean): Promise<Facts> {
  if (textIfAny(join(dir, places.users)) === undefined) {
    return {};
  }
  const rendered = await renderedUsers(dir);
  return {
    open: openFiles(dir),
    sync: (ours ? readSync(dir) : undefined) ?? 'unknown',
    ...(rendered === undefined ? {} : { rendered }),
  };
}

/** The processes that `mesh up` started. */
export function checkProcesses(state: MeshState): Finding[] {
  const rows: [string, number][] = [
    ...(state.server === undefined ? [] : [['server', state.server.pid] as [string, number]]),
    ['control', state.control.pid],
    ...state.gateways.map(({ pid }, i): [string, number] => [`gateway ${i + 1}`, pid]),
    ...(state.identity ?? []).map(({ pid }, i): [string, number] => [`identity ${i + 1}`, pid]),
  ];
  return rows.map(([what, pid]) => {
    const alive = isAlive(pid);
    const found = `process ${pid} ${alive ? 'runs' : 'has ended'}`;
    const fix = 'see logs/ in the data folder, and restart mesh up';
    return mend('process', what, alive, found, 'running', fix);
  });
}

/** Agents: each with a connection, a name and a lease of its own, all in this process. */
import { connect, type Mesh } from '../../src/agent/index.js';
import type { Part } from '../part.js';
import type { PartSettings } from '../protocol.js';
import { CAPABILITY, capability, handler } from '../workload.js';

type Settings = Extract<PartSettings, { part: 'agents' }>;

/** Connections that are made at once. */
const AT_ONCE = 16;

/** Start them all. */
export async function start({ users, url, concurrency }: Settings): Promise<Part> {
  const meshes: Mesh[] = [];
  const queue = [...users];
  const open = async (): Promise<void> => {
    for (let user = queue.pop(); user !== undefined; user = queue.pop()) {
      const mesh = await connect({ url, creds: user, concurrency });
      meshes.push(mesh);
      await mesh.serve(CAPABILITY, capability, handler);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, open));
  return {
    stop: async () => {
      await Promise.all(meshes.map((mesh) => mesh.close(500)));
    },
  };
}

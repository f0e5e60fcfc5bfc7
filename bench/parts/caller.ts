/** The caller of the mesh: the SDK as anybody would use it. */
import { connect } from '../../src/agent/index.js';
import type { Part } from '../part.js';
import type { PartSettings } from '../protocol.js';
import { bodyOf, CAPABILITY } from '../workload.js';

type Settings = Extract<PartSettings, { part: 'caller' }>;

/** Start it. */
export async function start({ user, url, grant }: Settings): Promise<Part> {
  const mesh = await connect({ url, creds: user, ...(grant === undefined ? {} : { grant }) });
  return {
    begin: (n, done) => {
      mesh.call(CAPABILITY, bodyOf(n)).then(
        () => done(),
        (err: unknown) => done(err),
      );
    },
    stop: () => mesh.close(),
  };
}

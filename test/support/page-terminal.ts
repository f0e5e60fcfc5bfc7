/**
 * A terminal in which somebody types what a page says, beside a mesh that runs already.
 */
import { credentialsFile } from '../../src/fabric/users.js';
import type { TestMesh } from './mesh.js';
import { pathWithQuickNpx } from './reader.js';
import { Terminal } from './terminal.js';

/** Type a script in the folder, as this user; undefined: as whoever the commands take. */
export function typed(
  script: string,
  { mesh, folder, as }: { mesh: TestMesh; folder: string; as?: string | undefined },
): Terminal {
  const env = {
    ...process.env,
    PATH: pathWithQuickNpx(folder),
    NO_COLOR: '1',
    MESH_URL: mesh.url,
    NATS_URL: mesh.url,
    MESH_DATA: mesh.dir,
    ...(as === undefined ? {} : { MESH_CREDS: credentialsFile(mesh.dir, as) }),
  };
  return new Terminal(script, { cwd: folder, env });
}

/** Type it; what it printed to its end, and the exit code of its last command. */
export async function ran(
  script: string,
  where: Parameters<typeof typed>[1],
  withinMs: number,
): Promise<string> {
  // One pipe for both, so that what was printed last stands last.
  const said = await typed(`exec 2>&1\nset +e\n${script}\necho "exit $?"`, where).ends(withinMs);
  return said
    .split('\n')
    .filter((line) => !line.startsWith('npm warn')) // what npx says of the machine it runs on
    .join('\n')
    .trim();
}

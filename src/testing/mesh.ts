/**
 * A mesh for the tests of those who write agents.
 */
import { connect, type Mesh } from '../agent/connect.js';
import type { ConnectOptions } from '../agent/options.js';
import type { Credentials } from '../fabric/users.js';
import type { TestMeshOptions } from './options.js';
import { startParts } from './parts.js';

/** A running mesh for tests. */
export interface TestMesh {
  /** Address of the server, for programs that are tested as processes (MESH_URL). */
  readonly url: string;
  /** Data folder; the commands take it as `--data`. */
  readonly dir: string;
  /** Control and gateways read it again within a second when it changes. */
  readonly policyFile: string;
  /** What `connect` takes as `creds`. Throws `not_found` for a name that is not among the users. */
  credentials(name: string): Credentials;
  /** Connect as this user, with the SDK. Closed by `stop()` if it is not before. */
  connect(name: string, options?: ConnectOptions): Promise<Mesh>;
  /** Stop everything that was started here, and remove the folder. */
  stop(): Promise<void>;
}

/**
 * Start a real mesh for a test: nats-server on a free port of loopback, control and gateways in this process, in a
 * temporary folder. It takes about a second; start it once for a file of tests, and stop it at the end. Several may run
 * at once. Works in every test runner that runs ES modules.
 * Throws `server_missing` when there is no nats-server and none may be fetched, `config_invalid` for a bad policy.
 */
export async function startTestMesh(options: TestMeshOptions = {}): Promise<TestMesh> {
  const parts = await startParts(options);
  const open: Mesh[] = [];
  return {
    url: parts.url,
    dir: parts.dir,
    policyFile: parts.policyFile,
    credentials: (name) => parts.credentials(name),
    async connect(name, more = {}) {
      const mesh = await connect({ url: parts.url, creds: parts.credentials(name), ...more });
      open.push(mesh);
      return mesh;
    },
    async stop() {
      await Promise.all(open.splice(0).map((mesh) => mesh.close(0).catch(() => undefined)));
      await parts.stop();
    },
  };
}

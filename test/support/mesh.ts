/**
 * The mesh for tests that users get, with its insides: what our own tests kill, replace and look into.
 */
import { connect, type ConnectOptions, type Mesh } from '../../src/agent/index.js';
import { connectBroker, type NatsConnection } from '../../src/fabric/connection.js';
import { isStage, type Stage } from '../../src/wire/stages.js';
import { startParts, type Parts, type PartsOptions } from '../../src/testing/parts.js';

export { openPolicy } from '../../src/testing/options.js';

export interface TestMesh extends Parts {
  readonly operator: NatsConnection;
  /** An SDK connection as this user. */
  connect(name: string, options?: ConnectOptions): Promise<Mesh>;
  /** A raw connection as this user. */
  broker(name: string): Promise<NatsConnection>;
}

/** Start one; stop it in `afterAll`. */
export async function startTestMesh(options: PartsOptions = {}): Promise<TestMesh> {
  const parts = await startParts({ split: stagesToSplit(), ...options });
  const open: { close(): Promise<void> }[] = [];
  const broker = async (name: string) => {
    const nc = await connectBroker({ url: parts.url, name, seed: parts.credentials(name).seed });
    open.push({ close: () => nc.close() });
    return nc;
  };
  const { stop } = parts;
  return Object.assign(parts, {
    operator: await broker('operator'),
    broker,
    async connect(name: string, more: ConnectOptions = {}) {
      const connected = await connect({ url: parts.url, creds: parts.credentials(name), ...more });
      open.push({ close: () => connected.close(0) });
      return connected;
    },
    async stop() {
      await Promise.all(open.map((o) => o.close().catch(() => undefined)));
      await stop();
    },
  });
}

/** Wait until `check` gives a value: looks again after every `everyMs`, fails after `withinMs`. */
export async function until<T>(
  check: () => T | undefined | false | Promise<T | undefined | false>,
  withinMs = 25_000,
  everyMs = 20,
): Promise<T> {
  const end = Date.now() + withinMs;
  for (;;) {
    const value = await check();
    if (value !== undefined && value !== false) {
      return value;
    }
    if (Date.now() > end) {
      throw new Error(`not within ${withinMs} ms: ${check.toString().slice(0, 200)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

/** Let time pass: the pace of faults or of load, never a wait for a fact (that is `until`). */
export function pace(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Every mesh for tests is a split one when MESH_SPLIT says so. */
export function stagesToSplit(): readonly Stage[] {
  return (process.env['MESH_SPLIT'] ?? '').split(',').filter(isStage);
}

/**
 * A mesh for tests: a real nats-server on a free port, control and gateways in this process, users as asked.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type ConnectOptions, type Mesh } from '../../src/agent/index.js';
import { runControl, type RunningControl } from '../../src/control/run.js';
import { connectBroker, type NatsConnection } from '../../src/fabric/connection.js';
import { startServer, type ServerHandle } from '../../src/fabric/server.js';
import { mintUsers, type Credentials, type NewUser } from '../../src/fabric/users.js';
import { runGateway, type RunningGateway } from '../../src/gateway/run.js';
import type { SightOptions } from '../../src/gateway/sight.js';
import { silent, type Log } from '../../src/wire/log.js';

/** Roles by user name. */
export type Users = Readonly<Record<string, NewUser['role']>>;

export interface TestMeshOptions {
  readonly users?: Users;
  /** Text of the policy file; by default callers may call all and be roots, agents may serve and call all. */
  readonly policy?: string;
  readonly gateways?: number;
  readonly log?: Log;
  readonly sight?: SightOptions;
}

export interface TestMesh {
  readonly dir: string;
  readonly url: string;
  readonly server: ServerHandle;
  readonly operator: NatsConnection;
  readonly gateways: RunningGateway[];
  control: RunningControl;
  readonly policyFile: string;
  credentials(name: string): Credentials;
  /** An SDK connection as this user. */
  connect(name: string, options?: ConnectOptions): Promise<Mesh>;
  /** A raw connection as this user. */
  broker(name: string): Promise<NatsConnection>;
  stop(): Promise<void>;
}

/** Start one; stop it in `afterAll`. */
export async function startTestMesh(options: TestMeshOptions = {}): Promise<TestMesh> {
  const dir = mkdtempSync(join(tmpdir(), 'capmesh-test-'));
  const users = options.users ?? {};
  const list: NewUser[] = [
    { name: 'gateway', role: 'gateway' },
    { name: 'control', role: 'control' },
    { name: 'operator', role: 'operator' },
    ...Object.entries(users).map(([name, role]) => ({ name, role })),
  ];
  const minted = new Map((await mintUsers(dir, list)).map((c) => [c.name, c]));
  const credentials = (name: string): Credentials => {
    const found = minted.get(name);
    if (found === undefined) {
      throw new Error(`no such test user: ${name}`);
    }
    return found;
  };
  const policyFile = join(dir, 'mesh.policy.yaml');
  writeFileSync(policyFile, options.policy ?? openPolicy(users));
  const server = await startServer({ dir });
  const log = options.log ?? silent;
  const as = (name: string) => ({ url: server.url, name, seed: credentials(name).seed, policyFile, log });
  const sight = options.sight ?? {};
  const control = await runControl(as('control'));
  const gateways = await Promise.all(
    Array.from({ length: options.gateways ?? 1 }, () => runGateway({ ...as('gateway'), sight })),
  );
  const open: { close(): Promise<void> }[] = [];
  const broker = async (name: string) => {
    const nc = await connectBroker({ url: server.url, name, seed: credentials(name).seed });
    open.push({ close: () => nc.close() });
    return nc;
  };
  const mesh: TestMesh = {
    dir,
    url: server.url,
    server,
    policyFile,
    operator: await broker('operator'),
    gateways,
    control,
    credentials,
    async connect(name, more = {}) {
      const connected = await connect({ url: server.url, creds: credentials(name), ...more });
      open.push({ close: () => connected.close(0) });
      return connected;
    },
    broker,
    async stop() {
      await Promise.all(open.map((o) => o.close().catch(() => undefined)));
      await Promise.all(gateways.map((g) => g.stop(200)));
      await mesh.control.stop();
      await server.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  return mesh;
}

/** A policy under which everybody may do everything its role is for. */
export function openPolicy(users: Users): string {
  const members = Object.entries(users).map(
    ([name, role]) => `  ${name}: [${role === 'agent' ? 'worker' : 'everyone'}]`,
  );
  return [
    'version: 1',
    'roles:',
    "  everyone: { call: ['>'], mayRoot: true }",
    "  worker: { serve: ['>'], call: ['>'] }",
    'members:',
    ...(members.length === 0 ? ['  nobody: []'] : members),
    '',
  ].join('\n');
}

/** Wait until `check` gives a value: looks again after every `everyMs`, fails after `withinMs`. */
export async function until<T>(
  check: () => T | undefined | false | Promise<T | undefined | false>,
  withinMs = 10_000,
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

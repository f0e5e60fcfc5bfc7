/**
 * A naive server: no permissions, everybody is let in, streams with every feature on. What works here is what the
 * shipped configuration stops.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import type { NatsConnection } from '../../src/fabric/connection.js';
import { endProcess } from '../../src/fabric/processes.js';
import { findServer } from '../../src/fabric/server-binary.js';
import { freePort } from '../support/ports.js';
import { until } from '../support/mesh.js';

export interface NaiveServer {
  readonly port: number;
  readonly httpPort: number;
  readonly websocketPort: number;
  /** The connection of the attacker. */
  readonly attacker: NatsConnection;
  /** The connection of somebody else. */
  readonly other: NatsConnection;
  /** A user whom `allow_responses` lets answer, and who may publish nowhere else. */
  readonly responder: NatsConnection;
  /** Make a stream; the reply of the server. */
  stream(config: { name: string; subjects: string[] } & Record<string, unknown>): Promise<void>;
  /** How many messages a stream has. */
  count(stream: string): Promise<number>;
  /** A request to JetStream, read. */
  api<T>(subject: string, body?: object | string): Promise<T>;
  stop(): Promise<void>;
}

/** Start it. */
export async function startNaive(): Promise<NaiveServer> {
  const dir = mkdtempSync(join(tmpdir(), 'capmesh-naive-'));
  const [port, httpPort, websocketPort] = [await freePort(), await freePort(), await freePort()];
  const conf = join(dir, 'nats.conf');
  writeFileSync(
    conf,
    `listen: "127.0.0.1:${port}"
http: "127.0.0.1:${httpPort}"
websocket { listen: "127.0.0.1:${websocketPort}", no_tls: true }
jetstream { store_dir: "${dir}/js" }
no_auth_user: everybody
authorization { users: [
  { user: everybody, password: x, permissions: { publish: ">", subscribe: ">" } }
  { user: responder, password: x, permissions: { publish: { deny: ">" }, subscribe: ">", allow_responses: true } }
] }
`,
  );
  const server = spawn(await findServer(), ['-c', conf], { stdio: 'ignore' });
  const servers = `127.0.0.1:${port}`;
  const attacker = await until(() => connect({ servers, timeout: 1_000 }).catch(() => undefined));
  const other = await connect({ servers });
  const responder = await connect({ servers, user: 'responder', pass: 'x' });
  const api = async <T>(subject: string, body: object | string = ''): Promise<T> => {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return (await other.request(`$JS.API.${subject}`, text, { timeout: 2_000 })).json<T>();
  };
  return {
    port,
    httpPort,
    websocketPort,
    attacker,
    other,
    responder,
    api,
    stream: async (config) => {
      const reply = await api<{ error?: { description: string } }>(`STREAM.CREATE.${config.name}`, config);
      if (reply.error !== undefined) {
        throw new Error(`${config.name}: ${reply.error.description}`);
      }
    },
    count: async (stream) =>
      (await api<{ state: { messages: number } }>(`STREAM.INFO.${stream}`)).state.messages,
    stop: async () => {
      await Promise.all([attacker, other, responder].map((nc) => nc.close()));
      await endProcess(server.pid ?? 0);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

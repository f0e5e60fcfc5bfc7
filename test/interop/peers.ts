/**
 * Programs of others as callers and as agents of one running mesh.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { inject } from 'vitest';
import { natsContext } from '../../src/cli/up/files.js';
import { startMesh, type RunningMesh } from '../../src/cli/up/mesh.js';
import { connect, type Mesh } from '../../src/agent/index.js';
import { readUsers, type NewUser } from '../../src/fabric/users.js';
import { connectBroker } from '../../src/fabric/connection.js';
import { until } from '../support/mesh.js';
import type { Tools } from './tools.js';

/** What a program printed (both streams), and its exit code. */
export interface Ended {
  readonly said: string;
  readonly code: number | null;
}

/** A program that runs until it is told to stop. */
export interface Running {
  readonly said: () => string;
  readonly stop: () => Promise<void>;
}

const WAIT_MS = 40_000;

/** A mesh as `mesh up` makes it, with peers of any make. */
export class Peers {
  readonly mesh: RunningMesh;
  readonly #tools: Tools = inject('tools');
  readonly #closing: (() => Promise<void>)[] = [];

  private constructor(mesh: RunningMesh) {
    this.mesh = mesh;
  }

  /** Start a mesh with these users under this policy. */
  static async start(users: readonly NewUser[], policy: string, gateways = 1): Promise<Peers> {
    const dir = mkdtempSync(join(tmpdir(), 'capmesh-interop-'));
    writeFileSync(join(dir, 'mesh.policy.yaml'), policy);
    const mesh = await startMesh({ dir, gateways });
    const peers = new Peers(mesh);
    peers.#closing.push(async () => {
      await mesh.stop();
      rmSync(dir, { recursive: true, force: true });
    });
    await mesh.addUsers(users);
    users.forEach(({ name }) => natsContext(dir, mesh.url, name));
    return peers;
  }

  /** An SDK connection under this name. */
  async sdk(name: string): Promise<Mesh> {
    const mesh = await connect({ url: this.mesh.url, creds: this.mesh.credentials(name) });
    this.#closing.push(() => mesh.close(0));
    return mesh;
  }

  /** Run the `nats` command to its end. */
  nats(context: string, ...args: string[]): Promise<Ended> {
    return this.#run(this.#go.nats, ['--context', context, ...args], context);
  }

  /** Run a script in which `nats` is the `nats` command. */
  shell(name: string, script: string): Promise<Ended> {
    return this.#run('sh', ['-e', '-c', `nats() { '${this.#go.nats}' "$@"; }\n${script}`], name);
  }

  /** `nats sub`, which stays. */
  natsListens(context: string, subject: string): Promise<Running> {
    return this.#stay(this.#go.nats, ['--context', context, 'sub', subject], context, 'Subscribing on');
  }

  /** Run the caller of `examples/python`. */
  pythonCaller(name: string, ...args: string[]): Promise<Ended> {
    return this.#run(this.#python, [resolve('examples/python/caller.py'), ...args], name);
  }

  /** Run the Go client. */
  goClient(name: string, ...args: string[]): Promise<Ended> {
    return this.#run(this.#go.client, args, name);
  }

  /** An agent in Python: that of `examples/python`, unless told otherwise. */
  pythonAgent(name: string, program = 'examples/python/agent.py'): Promise<Running> {
    return this.#stay(this.#python, [resolve(program)], name, `${name} serves`);
  }

  /** The agent in Go; `child`: what it calls on the way. */
  goAgent(name: string, capability: string, child: string): Promise<Running> {
    return this.#stay(this.#go.client, ['serve', capability, '--child', child], name, `${name} serves`);
  }

  /** The `nats` command as a plain responder of one capability. */
  async natsAgent(name: string, capability: string, reply: string): Promise<Running> {
    const subject = await this.#registerPlain(name, capability);
    const args = ['--context', name, 'reply', '--queue', 'mesh', subject, reply];
    return this.#stay(this.#go.nats, args, name, 'Listening on');
  }

  async stop(): Promise<void> {
    for (const close of this.#closing.toReversed()) {
      await close();
    }
  }

  get #go(): NonNullable<Tools['go']> {
    const { go } = this.#tools;
    if (go === undefined) {
      throw new Error('this needs Go');
    }
    return go;
  }

  get #python(): string {
    return join(this.#tools.python ?? 'no python', 'bin', 'python');
  }

  async #registerPlain(name: string, capability: string): Promise<string> {
    const { seed } = this.mesh.credentials('operator');
    const nc = await connectBroker({ url: this.mesh.url, name: 'operator', seed });
    const user = readUsers(this.mesh.dir).find((one) => one.name === name)?.publicKey;
    const card = { concurrency: 8, capabilities: [{ name: capability, version: '1.0' }] };
    const body = JSON.stringify({ agent: name, user, card });
    const reply = await nc.request('mesh.v1.admin.operator.plain', body, { timeout: 5_000 });
    await nc.close();
    return reply.json<{ subjects: { subject: string }[] }>().subjects[0]?.subject ?? '';
  }

  #env(name: string): NodeJS.ProcessEnv {
    const creds = join(this.mesh.dir, 'creds', `${name}.json`);
    return {
      ...process.env,
      XDG_CONFIG_HOME: this.mesh.dir,
      MESH_URL: this.mesh.url,
      MESH_CREDS: creds,
      NO_COLOR: '1',
    };
  }

  async #run(command: string, args: readonly string[], name: string): Promise<Ended> {
    const program = new Program(command, args, this.#env(name));
    await until(() => program.over, WAIT_MS);
    return { said: program.said, code: program.code };
  }

  async #stay(command: string, args: readonly string[], name: string, ready: string): Promise<Running> {
    const program = new Program(command, args, this.#env(name));
    const stop = async (): Promise<void> => {
      program.child.kill('SIGTERM');
      await until(() => program.over);
    };
    this.#closing.push(stop);
    await until(() => program.said.includes(ready) || program.over);
    if (program.over) {
      throw new Error(`${command} ${args.join(' ')} ended:\n${program.said}`);
    }
    return { said: () => program.said, stop };
  }
}

/** One program that was started. */
class Program {
  readonly child: ChildProcess;
  said = '';
  code: number | null = null;
  over = false;

  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv) {
    this.child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const hear = (chunk: Buffer): void => void (this.said += chunk.toString());
    this.child.stdout?.on('data', hear);
    this.child.stderr?.on('data', hear);
    this.child.once('close', (code) => {
      this.code = code;
      this.over = true;
    });
  }
}

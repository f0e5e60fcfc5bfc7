/**
 * A stage: a mesh of real processes (server, control, gateways), agents in processes of their own, and a witness. All
 * of it is gone when it is cleared.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect, type ConnectOptions, type Mesh } from '../../src/agent/index.js';
import { startActor, type Actor } from '../../src/cli/demo/actor.js';
import { startMesh, type RunningMesh } from '../../src/cli/up/mesh.js';
import { connectBroker, type NatsConnection } from '../../src/fabric/connection.js';
import { credentialsFile, type NewUser } from '../../src/fabric/users.js';
import { during } from '../lifetime.js';
import { SETTINGS, type Common } from './agents/role.js';
import { readWitness } from './witness.js';

/** What stands on it. */
export interface StageOptions {
  /** Text of the policy file. The user `me` is a caller on every stage. */
  readonly policy: string;
  readonly users: readonly NewUser[];
  /** Default 1. */
  readonly gateways?: number;
}

/** A program of `bench/scenarios/agents/`, and what it is told. */
export interface Casting {
  readonly program: string;
  /** The names it connects with. */
  readonly names: readonly string[];
  readonly settings?: object;
}

/** Play something on a stage, which is cleared at the end, also of a failure or an interrupt. */
export async function onStage<T>(options: StageOptions, work: (stage: Stage) => Promise<T>): Promise<T> {
  const stage = new Stage();
  return await during(stage, async () => {
    await stage.build(options);
    return await work(stage);
  });
}

/** A running stage. */
export class Stage {
  readonly #folder = mkdtempSync(join(tmpdir(), 'capmesh-scenario-'));
  readonly #actors: Actor[] = [];
  readonly #connections: { close(): Promise<void> }[] = [];
  #mesh: RunningMesh | undefined;

  /** Use `onStage()`. */
  async build({ policy, users, gateways = 1 }: StageOptions): Promise<void> {
    const file = join(this.#folder, 'policy.yaml');
    writeFileSync(file, policy);
    mkdirSync(this.#witness);
    this.#mesh = await startMesh({ dir: join(this.#folder, 'data'), policy: file, gateways });
    await this.#mesh.addUsers(users);
  }

  /** The mesh on it. */
  get mesh(): RunningMesh {
    if (this.#mesh === undefined) {
      throw new Error('the stage is not built');
    }
    return this.#mesh;
  }

  /** Start agent processes, as many at once as there are. */
  async cast(castings: readonly Casting[]): Promise<Actor[]> {
    return await Promise.all(castings.map((casting) => this.#start(casting)));
  }

  async #start({ program, names, settings = {} }: Casting): Promise<Actor> {
    const { url, dir } = this.mesh;
    const creds = Object.fromEntries(names.map((name) => [name, credentialsFile(dir, name)]));
    const common: Common = { url, creds, witness: this.#witness };
    const actor = await startActor({
      name: names.join(', '),
      args: [fileURLToPath(new URL(`./agents/${program}.js`, import.meta.url))],
      env: { [SETTINGS]: JSON.stringify({ ...settings, ...common }) },
      logFile: join(this.#folder, `${names[0]}.log`),
    });
    this.#actors.push(actor);
    return actor;
  }

  /** Connect as a caller, with the SDK. */
  async connect(name = 'me', options: ConnectOptions = {}): Promise<Mesh> {
    const { url } = this.mesh;
    const mesh = await connect({ url, creds: this.mesh.credentials(name), ...options });
    this.#connections.push({ close: () => mesh.close(0) });
    return mesh;
  }

  /** Connect as a user of the broker. */
  async connectBroker(name: string): Promise<NatsConnection> {
    const nc = await connectBroker({
      url: this.mesh.url,
      name,
      seed: this.mesh.credentials(name).seed,
    });
    this.#connections.push(nc);
    return nc;
  }

  /** What the agents said so far. */
  said<T>(): T[] {
    return readWitness<T>(this.#witness);
  }

  /** Clear it. */
  async stop(): Promise<void> {
    await Promise.all(this.#connections.splice(0).map((one) => one.close().catch(() => undefined)));
    await Promise.all(this.#actors.splice(0).map((actor) => actor.stop()));
    await this.#mesh?.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #witness(): string {
    return join(this.#folder, 'witness');
  }
}

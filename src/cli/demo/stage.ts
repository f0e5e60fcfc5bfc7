/**
 * The stage of the demo: a mesh in a temporary folder and the processes that play on it. Whatever was started is
 * stopped in reverse order, also when the start itself is interrupted.
 */
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageFile } from '../../fabric/package.js';
import { tempFolder } from '../../fabric/temp-folder.js';
import { credentialsFile } from '../../fabric/users.js';
import { meshError } from '../../wire/errors.js';
import { startMesh, type MeshOptions, type RunningMesh } from '../up/mesh.js';
import { startActor, type Actor, type ActorOptions } from './actor.js';
import { demoAgents, demoPolicy } from './policy.js';

const FILE_SERVER = '@modelcontextprotocol/server-filesystem/dist/index.js';

/** How the server of the stage is found. */
export type StageOptions = Pick<MeshOptions, 'offline' | 'say'>;

/** Where everything happens. */
export class Stage {
  readonly #temp = tempFolder('mesh-demo-');
  readonly folder = this.#temp.dir;
  readonly effects = join(this.folder, 'effects.ndjson');
  readonly #closers: (() => Promise<void>)[] = [];
  #closing: Promise<void> | undefined;

  readonly #hears: StageOptions;

  constructor(options: StageOptions) {
    this.#hears = options;
    closeSync(openSync(this.effects, 'a', 0o600));
  }

  /** Something that must be stopped at the end, also if it comes to life after the end was called for. */
  async use<T>(starting: Promise<T>, stop: (one: T) => Promise<void>): Promise<T> {
    const close = async (): Promise<void> => {
      const one = await starting.catch(() => undefined);
      if (one !== undefined) {
        await stop(one);
      }
    };
    this.#closers.push(close);
    const one = await starting;
    if (this.#closing !== undefined) {
      await close();
      throw meshError('cancelled');
    }
    return one;
  }

  /** The mesh: server, control and two gateways, with the users of the demo. */
  async startMesh(): Promise<RunningMesh> {
    const policy = join(this.folder, 'mesh.policy.yaml');
    writeFileSync(policy, demoPolicy, { mode: 0o600 });
    const starting = startMesh({ dir: this.#temp.data, gateways: 2, policy, ...this.#hears });
    const mesh = await this.use(starting, (one) => one.stop());
    await mesh.addUsers(demoAgents.map((name) => ({ name, role: 'agent' })));
    return mesh;
  }

  /** An agent of the demo in a process of its own. */
  async startAgent(mesh: RunningMesh, name: string, onMessage?: ActorOptions['onMessage']): Promise<Actor> {
    const program = fileURLToPath(new URL(`agents/${name}.js`, import.meta.url));
    const options: ActorOptions = {
      name,
      args: [program],
      env: this.env(mesh, name),
      logFile: join(this.folder, `${name}.log`),
      ...(onMessage === undefined ? {} : { onMessage }),
    };
    return await this.use(startActor(options), (actor) => actor.stop());
  }

  /** The real file server, mounted over a folder by the command that everybody uses. */
  async mountFiles(mesh: RunningMesh, over: string): Promise<Actor> {
    const server = createRequire(import.meta.url).resolve(FILE_SERVER);
    const command = [process.execPath, server, over];
    const options: ActorOptions = {
      name: 'fs',
      args: [
        packageFile('bin/mesh.js'),
        'mount',
        'mcp',
        '--as',
        'fs',
        '--json',
        '--data',
        mesh.dir,
        '--',
        ...command,
      ],
      env: {},
      logFile: join(this.folder, 'fs.log'),
    };
    return await this.use(startActor(options), (actor) => actor.stop());
  }

  /** What a program of the demo finds the mesh by, as this user. */
  env(mesh: RunningMesh, user: string): Record<string, string> {
    return {
      MESH_URL: mesh.url,
      MESH_CREDS: credentialsFile(mesh.dir, user),
      DEMO_EFFECTS: this.effects,
    };
  }

  /** Stop everything, last come first, and remove the folder. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const close of this.#closers.toReversed()) {
      await close().catch(() => undefined);
    }
    this.#temp.remove();
  }
}

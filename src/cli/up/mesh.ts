/**
 * A whole mesh on one machine: server, control and gateways, kept running until it is stopped. The command `mesh up`,
 * the demo, the bench and the tests start it here.
 */
import { join, resolve } from 'node:path';
import { locked, places, prepareFolder } from '../../fabric/folder.js';
import { ensureIssuer } from '../../fabric/issuer.js';
import { startServer, type ServerHandle } from '../../fabric/server.js';
import type { Sync } from '../../fabric/server-conf.js';
import {
  credentialsFile,
  loadCredentials,
  mintUsers,
  setIdentity,
  type Credentials,
  type NewUser,
} from '../../fabric/users.js';
import { connectBroker, withoutSecrets } from '../../fabric/connection.js';
import { meshError } from '../../wire/errors.js';
import type { Role } from '../../wire/generated/permissions.js';
import { NO_FILE } from '../settings.js';
import { readState, removeState, writeState, type MeshState, type ProcessState } from '../state.js';
import { startChild } from './child.js';
import { natsContext, starterPolicy } from './files.js';
import { Kept, type KeepOptions, type Started } from './kept.js';

/** How to start a mesh. */
export interface MeshOptions {
  /** Data folder. */
  readonly dir: string;
  /** Port of our server; a free one when none is given. */
  readonly port?: number;
  /** Default 1. */
  readonly gateways?: number;
  readonly sync?: Sync;
  /** Default: `mesh.policy.yaml` in the folder, written when it is missing. */
  readonly policy?: string;
  /** A server that is not ours; none is started then. */
  readonly url?: string;
  /** Start again what ends by itself; default true. */
  readonly restart?: boolean;
  /** Let stderr of the children go to ours; otherwise it goes to `logs/` in the folder. */
  readonly inheritLogs?: boolean;
  /** Fetch no server when none is found; default: as MESH_OFFLINE says. */
  readonly offline?: boolean;
  /** How many processes say who connects; with none the server knows all users itself. Default 0. */
  readonly identity?: number;
  /** Checks that need not be fine for a gateway to start. */
  readonly accept?: readonly string[];
  /** Further arguments of control (0) and of each gateway (from 1). */
  readonly args?: (nth: number) => readonly string[];
  /** Hears one sentence when something ends by itself, and when a server must be fetched. */
  readonly say?: (sentence: string) => void;
}

/** A process of a running mesh; `pid` is the one of now. */
export interface MeshProcess {
  readonly pid: number;
  /** Where it shows its metrics; missing when it does not. */
  readonly metrics?: string | undefined;
  /** End it as a crash would. */
  kill(): void;
  /** Stop it, or what is left of it, and start it again; resolves when it is ready. */
  restart(): Promise<void>;
}

/** A running mesh. */
export interface RunningMesh {
  readonly dir: string;
  readonly url: string;
  readonly policyFile: string;
  /** Missing when the server is not ours. */
  readonly server: (MeshProcess & { readonly version: string; readonly port: number }) | undefined;
  readonly control: MeshProcess;
  readonly gateways: readonly MeshProcess[];
  /** None when the server knows all users itself. */
  readonly identity: readonly MeshProcess[];
  /** Credentials of a user of the folder. */
  credentials(name: string): Credentials;
  /** Make a user; the server knows it when this resolves. A server that is not ours must be told by its owner. */
  addUser(name: string, role: Role): Promise<Credentials>;
  /** The same for many with one reload. */
  addUsers(users: readonly NewUser[]): Promise<Credentials[]>;
  restartGateway(index: number): Promise<void>;
  stop(): Promise<void>;
}

/** The users of every mesh. */
export const FIRST_USERS: readonly NewUser[] = [
  { name: 'control', role: 'control' },
  { name: 'gateway', role: 'gateway' },
  { name: 'operator', role: 'operator' },
  { name: 'me', role: 'caller' },
];

function firstUsers(identity = 0): readonly NewUser[] {
  return identity === 0 ? FIRST_USERS : [...FIRST_USERS, { name: 'identity', role: 'identity' }];
}

/** Start a mesh; resolves when gateways take calls. Throws `already_running` when one runs on the folder. */
export async function startMesh(options: MeshOptions): Promise<RunningMesh> {
  const dir = resolve(options.dir);
  prepareFolder(dir);
  return await locked(join(dir, places.upLock), () => startLocked(dir, options));
}

/**
 * Make the folder with its users, and a first policy unless there is one already, for a server that somebody else
 * starts. Returns the policy.
 */
export async function prepareMesh(dir: string, policy?: string, identity = 0): Promise<string> {
  await mintUsers(dir, firstUsers(identity));
  setIdentity(dir, identity > 0);
  await ensureIssuer(dir);
  return policy === undefined ? starterPolicy(dir) : resolve(policy);
}

async function startLocked(dir: string, options: MeshOptions): Promise<RunningMesh> {
  const other = readState(dir);
  if (other !== undefined) {
    throw meshError('already_running', { folder: dir, pid: other.pid });
  }
  await mintUsers(dir, firstUsers(options.identity));
  setIdentity(dir, (options.identity ?? 0) > 0);
  await ensureIssuer(dir);
  const policyFile = options.policy === undefined ? starterPolicy(dir) : resolve(options.policy);
  const parts = new Parts(dir, policyFile, options);
  try {
    await parts.start();
  } catch (err) {
    await parts.stop();
    throw err;
  }
  return runningMesh(parts);
}

type Part = 'control' | 'gateway' | 'identity';

/** The processes, in the order in which they depend on each other. */
class Parts {
  readonly dir: string;
  readonly policyFile: string;
  readonly #options: MeshOptions;
  readonly #keep: KeepOptions;
  readonly #startedAt = new Date().toISOString();
  server: Kept<ServerHandle> | undefined;
  control: Kept<Started> | undefined;
  gateways: Kept<Started>[] = [];
  identity: Kept<Started>[] = [];
  url = '';

  constructor(dir: string, policyFile: string, options: MeshOptions) {
    this.dir = dir;
    this.policyFile = policyFile;
    this.#options = options;
    this.#keep = {
      restart: options.restart ?? true,
      say: options.say ?? (() => undefined),
      changed: () => this.#write(),
    };
  }

  async start(): Promise<void> {
    this.url = this.#options.url ?? (await this.#startServer());
    await this.#knock();
    this.control = await this.#child('control', 'control', 0);
    const { gateways = 1, identity = 0 } = this.#options;
    await this.#children('identity', identity, gateways + 1, this.identity);
    await this.#children('gateway', gateways, 1, this.gateways);
    this.#write();
    natsContext(this.dir, this.url, 'operator');
    natsContext(this.dir, this.url, 'me');
  }

  /** Those that have started are in the list also when others have not. */
  async #children(command: Part, count: number, first: number, list: Kept<Started>[]): Promise<void> {
    const starts = Array.from({ length: count }, (_, i) =>
      this.#child(command, `${command}-${i + 1}`, first + i),
    );
    const settled = await Promise.allSettled(starts);
    list.push(...settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])));
    const failed = settled.find((one) => one.status === 'rejected');
    if (failed !== undefined) {
      throw failed.reason;
    }
  }

  async stop(): Promise<void> {
    await Promise.all([...this.gateways, ...this.identity].map((one) => one.stop()));
    await this.control?.stop();
    await this.server?.stop();
    removeState(this.dir);
  }

  async #startServer(): Promise<string> {
    const { sync = 'default', offline, say } = this.#options;
    const fetching = { ...(offline === undefined ? {} : { offline }), ...(say === undefined ? {} : { say }) };
    const identity = (this.#options.identity ?? 0) > 0;
    let port = this.#options.port;
    const launch = async (): Promise<ServerHandle> => {
      const at = port === undefined ? {} : { port };
      const server = await startServer({ dir: this.dir, sync, identity, ...fetching, ...at });
      port = server.port; // clients know this one: a restart keeps it
      return server;
    };
    this.server = await Kept.start('nats-server', launch, this.#keep);
    return this.server.current.url;
  }

  /** Does the server know us, and only those it knows? A child that found out would say it less clearly. */
  async #knock(): Promise<void> {
    const { name, seed } = loadCredentials(credentialsFile(this.dir, 'control'));
    const nc = await connectBroker({ url: this.url, name, seed });
    const open = nc.info?.auth_required !== true;
    await nc.close();
    if (open) {
      const why = 'it lists no users, so it lets everybody in';
      throw meshError('config_invalid', { file: withoutSecrets(this.url), where: 'accounts', why });
    }
  }

  #child(command: Part, name: string, nth: number): Promise<Kept<Started>> {
    const args = [command, '--data', this.dir, '--url', this.url];
    args.push(...(command === 'control' ? ['--policy', this.policyFile] : []));
    const { accept = [] } = this.#options;
    args.push(...(command === 'gateway' ? accept.flatMap((check) => ['--accept', check]) : []));
    // What this process has read is said; the children read no file.
    args.push('--as', command, '--config', NO_FILE, ...(this.#options.args?.(nth) ?? []));
    const logFile = join(this.dir, places.logs, `${name}.log`);
    const launch = (): Promise<Started> =>
      startChild(this.#options.inheritLogs === true ? { args } : { args, logFile });
    return Kept.start(name, launch, this.#keep);
  }

  #write(): void {
    const server = this.server?.current;
    if (this.control !== undefined && this.gateways.length === (this.#options.gateways ?? 1)) {
      const state: MeshState = {
        version: 1,
        pid: process.pid,
        url: this.url,
        policy: this.policyFile,
        ...(server === undefined
          ? {}
          : { server: { pid: server.pid, port: server.port, version: server.version } }),
        control: processState(this.control),
        gateways: this.gateways.map(processState),
        ...(this.identity.length === 0 ? {} : { identity: this.identity.map(processState) }),
        startedAt: this.#startedAt,
      };
      writeState(this.dir, state);
    }
  }
}

function processState({ pid, metrics }: Kept<Started>): ProcessState {
  return { pid, ...(metrics === undefined ? {} : { metrics }) };
}

function runningMesh(parts: Parts): RunningMesh {
  const { dir, server, control, gateways, identity } = parts;
  if (control === undefined) {
    throw meshError('internal', { where: 'startMesh' });
  }
  const addUsers = async (users: readonly NewUser[]): Promise<Credentials[]> => {
    const minted = await mintUsers(dir, users);
    await server?.current.reload();
    return minted;
  };
  const addUser = async (name: string, role: Role): Promise<Credentials> => {
    await addUsers([{ name, role }]);
    return loadCredentials(credentialsFile(dir, name));
  };
  return {
    dir,
    url: parts.url,
    policyFile: parts.policyFile,
    server: server === undefined ? undefined : serverProcess(server),
    control,
    gateways,
    identity,
    credentials: (name) => loadCredentials(credentialsFile(dir, name)),
    addUser,
    addUsers,
    restartGateway: async (index) => gateways[index]?.restart(),
    stop: () => parts.stop(),
  };
}

function serverProcess(server: Kept<ServerHandle>): NonNullable<RunningMesh['server']> {
  return {
    get pid() {
      return server.pid;
    },
    version: server.current.version,
    port: server.current.port,
    kill: () => server.kill(),
    restart: () => server.restart(),
  };
}

/**
 * The parts of a mesh for tests: a real nats-server on a free port, control and gateways in this process, and users.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { registered } from '../control/identity/register.js';
import { runIdentity, type RunningIdentity } from '../control/identity/run.js';
import { runControl, type RunningControl } from '../control/run.js';
import { readCalloutKeys } from '../fabric/callout-conf.js';
import { places } from '../fabric/folder.js';
import { ensureIssuer } from '../fabric/issuer.js';
import { startServer, type ServerHandle } from '../fabric/server.js';
import { tempFolder } from '../fabric/temp-folder.js';
import { mintUsers, readUsers, type Credentials, type NewUser } from '../fabric/users.js';
import { runGateway, type RunningGateway } from '../gateway/run.js';
import type { SightOptions } from '../gateway/sight.js';
import { meshError } from '../wire/errors.js';
import { silent } from '../wire/log.js';
import { openPolicy, type TestMeshOptions } from './options.js';

/** What only our own tests ask for. */
export interface PartsOptions extends TestMeshOptions {
  /** What the gateways tell of themselves. */
  readonly sight?: SightOptions;
  /** Let identity say who connects: so many processes, with these rules. */
  readonly identity?: { readonly processes?: number; readonly rules?: string };
}

/** Where a part connects, and as whom. */
export interface PartOptions {
  readonly url: string;
  readonly name: string;
  readonly seed: string;
  readonly policyFile: string;
  readonly dir: string;
  readonly log: NonNullable<TestMeshOptions['log']>;
}

/** Running parts. */
export interface Parts {
  readonly dir: string;
  readonly url: string;
  readonly policyFile: string;
  readonly server: ServerHandle;
  /** What is started again takes the place of what was stopped. */
  control: RunningControl;
  readonly gateways: RunningGateway[];
  /** Credentials of a user. Throws `not_found`. */
  credentials(name: string): Credentials;
  /** What a further gateway or control is started with. */
  as(name: 'gateway' | 'control'): PartOptions;
  /** Stop everything and remove the folder. */
  readonly stop: () => Promise<void>;
}

const SERVICES: readonly NewUser[] = [
  { name: 'gateway', role: 'gateway' },
  { name: 'control', role: 'control' },
  { name: 'operator', role: 'operator' },
  { name: 'identity', role: 'identity' },
];
const DRAIN_MS = 200;

/** Start them; what was started is stopped again when one of them fails. */
export async function startParts(options: PartsOptions): Promise<Parts> {
  const folder = tempFolder('capmesh-test-');
  const closers: (() => Promise<void> | void)[] = [() => folder.remove()];
  const stop = async (): Promise<void> => {
    for (const close of closers.splice(0).toReversed()) {
      await close();
    }
  };
  try {
    return await start(folder.data, options, closers, stop);
  } catch (err) {
    await stop();
    throw err;
  }
}

async function start(
  dir: string,
  options: PartsOptions,
  closers: (() => Promise<void> | void)[],
  stop: () => Promise<void>,
): Promise<Parts> {
  const users = options.users ?? {};
  const list = [...SERVICES, ...Object.entries(users).map(([name, role]) => ({ name, role }))];
  const minted = new Map((await mintUsers(dir, list)).map((one) => [one.name, one]));
  const credentials = (name: string): Credentials => {
    const found = minted.get(name);
    if (found === undefined) {
      throw meshError('not_found', { what: 'the user', name });
    }
    return found;
  };
  const policyFile = join(dir, places.policy);
  writeFileSync(policyFile, policyText(options), { mode: 0o600 });
  await ensureIssuer(dir);
  const server = await startServer({
    dir,
    ...(options.offline === undefined ? {} : { offline: options.offline }),
    identity: options.identity !== undefined,
  });
  closers.push(() => server.stop());
  const { url } = server;
  const as = (name: string): PartOptions => {
    const { seed } = credentials(name);
    return { url, name, seed, policyFile, dir, log: options.log ?? silent };
  };
  const control = await runControl({ ...as('control'), dir });
  const identity = await startIdentity(dir, options, as('identity'));
  closers.push(async () => void (await Promise.all(identity.map((one) => one.stop()))));
  const gateways: RunningGateway[] = [];
  const parts: Parts = { dir, url, policyFile, server, control, gateways, credentials, as, stop };
  closers.push(() => parts.control.stop());
  closers.push(async () => void (await Promise.all(gateways.map((gateway) => gateway.stop(DRAIN_MS)))));
  for (let i = 0; i < (options.gateways ?? 1); i++) {
    gateways.push(await runGateway({ ...as('gateway'), sight: options.sight ?? {} }));
  }
  return parts;
}

async function startIdentity(
  dir: string,
  options: PartsOptions,
  as: PartOptions,
): Promise<RunningIdentity[]> {
  const { processes = 1, rules } = options.identity ?? { processes: 0 };
  const rulesFile = rules === undefined ? undefined : join(dir, places.identityRules);
  if (rules !== undefined && rulesFile !== undefined) {
    writeFileSync(rulesFile, rules, { mode: 0o600 });
  }
  const users = readUsers(dir).map(registered);
  const started: RunningIdentity[] = [];
  for (let i = 0; i < processes; i++) {
    started.push(await runIdentity({ ...as, keys: readCalloutKeys(dir), rulesFile, users }));
  }
  return started;
}

function policyText({ policy, users = {} }: TestMeshOptions): string {
  if (policy === undefined) {
    return openPolicy(users);
  }
  return typeof policy === 'string' ? policy : JSON.stringify(policy); // JSON is YAML
}

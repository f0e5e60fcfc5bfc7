/**
 * A rig: one server with everything that runs on it. The folder and the processes are gone when it is stopped.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startServer, type ServerHandle } from '../src/fabric/server.js';
import type { Sync } from '../src/fabric/server-conf.js';
import { ensureIssuer } from '../src/fabric/issuer.js';
import { mintUsers, type Credentials, type NewUser } from '../src/fabric/users.js';
import type { Objective } from '../src/domain/routing/route.js';
import { STAGES, type Stage } from '../src/wire/stages.js';
import { PartProcess } from './processes.js';
import type { PartSettings, SightMode, User } from './protocol.js';
import { rulesText, type RuleCount } from './rules.js';

/** What a rig consists of. */
export interface RigOptions {
  readonly sync: Sync;
  readonly gateways: number;
  readonly agents: number;
  readonly profile?: string | undefined;
  /** Default `on`, which is what the product does unasked; spans are made only with a collector. */
  readonly sight?: SightMode;
  readonly collector?: boolean;
  /** Rules in the policy; default: none. */
  readonly rules?: RuleCount;
  /** What is chosen by; default: what the product does unasked. */
  readonly routing?: Objective;
  /** Every call is charged to an agent, a principal and a capability. */
  readonly budget?: boolean;
  /** Every call counts for a principal, a caller, an agent and a capability. */
  readonly rates?: boolean;
  /** Members that have no role, and an issuer for their grants. */
  readonly grants?: boolean;
  /** Stages that interceptors judge, one of each; default: none. */
  readonly split?: readonly Stage[];
}

/** A running rig. */
export interface Rig {
  readonly dir: string;
  readonly server: ServerHandle;
  readonly control: PartProcess;
  readonly gateways: readonly PartProcess[];
  readonly interceptors: readonly PartProcess[];
  readonly agents: PartProcess;
  readonly caller: PartProcess;
  /** The collector, if there is one. */
  readonly extra: readonly PartProcess[];
  /** As whom the floor connects, and a user who may look at everything: the role of control. */
  readonly floorUser: { readonly user: User; readonly url: string };
  /** A user of the rig. Throws for a name that is none. */
  users(name: string): User;
  /** Start one more process; it is stopped with the rig. */
  start(settings: PartSettings): Promise<PartProcess>;
  stop(): Promise<void>;
}

/** Members without any role: what they may do, grants say. */
export const HOLDERS = ['holder-1', 'holder-2', 'holder-3'] as const;

/** Tasks that the agents together take at once, at the least. */
const CONCURRENCY = 512;
const CONCURRENCY_EACH = 16;

/** Start one. What was begun is ended when it fails. */
export async function startRig(options: RigOptions): Promise<Rig> {
  const dir = mkdtempSync(join(tmpdir(), 'capmesh-bench-'));
  const ends: (() => Promise<void>)[] = [async () => rmSync(dir, { recursive: true, force: true })];
  const stop = async (): Promise<void> => {
    for (let end = ends.pop(); end !== undefined; end = ends.pop()) {
      await end();
    }
  };
  try {
    return await build(dir, options, ends, stop);
  } catch (err) {
    await stop();
    throw err;
  }
}

async function build(
  dir: string,
  options: RigOptions,
  ends: (() => Promise<void>)[],
  stop: () => Promise<void>,
): Promise<Rig> {
  const names = Array.from({ length: options.agents }, (_, i) => `agent-${i}`);
  const users = await mint(dir, names);
  if (options.grants === true) {
    await ensureIssuer(dir);
  }
  const policy = join(dir, 'bench.policy.yaml');
  writeFileSync(policy, policyFor(names, options));
  const server = await startServer({ dir, sync: options.sync });
  ends.push(() => server.stop());
  const { url } = server;
  const { sight = 'on' } = options;
  const env: NodeJS.ProcessEnv = { ...process.env, MESH_TRACE_RATIO: sight === 'full' ? '1' : '0.1' };
  const start = async (settings: PartSettings): Promise<PartProcess> => {
    const started = await PartProcess.start(settings, options.profile, env);
    ends.push(() => started.stop());
    return started;
  };
  const collector = options.collector === true ? await start({ part: 'collector' }) : undefined;
  if (collector?.url !== undefined) {
    env['OTEL_EXPORTER_OTLP_ENDPOINT'] = collector.url;
  }
  const { split = [] } = options;
  const service = (part: 'control' | 'gateway' | 'interceptor', user: string = part) =>
    start({ part, user: users(user), url, policy, sight, dir, split });
  const control = await service('control');
  const interceptors = await Promise.all(split.map((stage) => service('interceptor', stage)));
  const gateways = await Promise.all(Array.from({ length: options.gateways }, () => service('gateway')));
  const concurrency = Math.max(CONCURRENCY_EACH, Math.ceil(CONCURRENCY / options.agents));
  const agents = await start({ part: 'agents', users: names.map(users), url, concurrency });
  const caller = await start({ part: 'caller', user: users('caller'), url });
  const floorUser = { user: users('floor'), url };
  const extra = collector === undefined ? [] : [collector];
  const services = { server, control, gateways, interceptors };
  return { dir, ...services, agents, caller, extra, floorUser, users, start, stop };
}

async function mint(dir: string, agents: readonly string[]): Promise<(name: string) => Credentials> {
  const list: NewUser[] = [
    { name: 'control', role: 'control' },
    { name: 'gateway', role: 'gateway' },
    { name: 'caller', role: 'caller' },
    { name: 'floor', role: 'control' },
    ...STAGES.map((name): NewUser => ({ name, role: 'interceptor' })),
    ...HOLDERS.map((name): NewUser => ({ name, role: 'caller' })),
    ...agents.map((name): NewUser => ({ name, role: 'agent' })),
  ];
  const minted = new Map((await mintUsers(dir, list)).map((one) => [one.name, one]));
  return (name) => {
    const found = minted.get(name);
    if (found === undefined) {
      throw new Error(`no user ${name}`);
    }
    return found;
  };
}

/** Limits that no run comes near: what is measured is the counting. */
const BUDGETS = [
  'budgets:',
  '  default: { window: day, limit: { micros: 9_000_000_000_000 } }',
  "  reserve: { '>': { micros: 100 } }",
  '  limits:',
  '    - { on: agent, window: day, limit: { micros: 9_000_000_000_000 } }',
  '    - { on: capability, window: day, limit: { micros: 9_000_000_000_000 } }',
];

const RATES = [
  'rates:',
  ...['principal', 'caller', 'agent', 'capability'].map(
    (each) => `  ${each}: { each: ${each}, rate: 100000/s, burst: 100000, concurrency: 10000 }`,
  ),
];

/** Every rule of the product applies; these members may do what the bench does. */
function policyFor(
  agents: readonly string[],
  {
    rules = { all: 0, apply: 0 },
    routing = 'least-loaded',
    budget = false,
    rates = false,
  }: Pick<RigOptions, 'rules' | 'routing' | 'budget' | 'rates'>,
): string {
  return [
    'version: 1',
    'roles:',
    "  orders: { call: ['order.>'], mayRoot: true }",
    "  pricing: { serve: ['order.price'] }",
    'members:',
    '  caller: [orders]',
    ...agents.map((name) => `  ${name}: [pricing]`),
    `routing: { 'order.>': ${routing} }`,
    rulesText(rules),
    ...(budget ? BUDGETS : []),
    ...(rates ? RATES : []),
  ].join('\n');
}

/**
 * The kill test: gateways, the supervisor and agent instances die by SIGKILL in turn, under load, and every promise
 * is judged afterwards from what callers, the register and the effect file say.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { connect, newCallId, type Mesh, type MeshError } from '../../src/agent/index.js';
import { startMesh, type RunningMesh } from '../../src/cli/up/mesh.js';
import { connectBroker } from '../../src/fabric/connection.js';
import { scan } from '../../src/fabric/reader.js';
import { credentialsFile } from '../../src/fabric/users.js';
import { judge, type Told } from '../support/judge.js';
import { startAgent, type KeptAgent } from '../support/kept-agent.js';
import { pace } from '../support/mesh.js';

const CALLER = 'me';
const IN_FLIGHT = 400;
const INSTANCES = 4;
const KILLS = 24;
const KILL_EVERY_MS = 1_400;
const MIN_OPEN = 100;

const POLICY = `version: 1
roles:
  caller: { call: ['work.>'], mayRoot: true }
  worker: { serve: ['work.>'] }
members:
  me: [caller]
  worker: [worker]
`;

interface Rig {
  readonly dir: string;
  readonly mesh: RunningMesh;
  readonly caller: Mesh;
  readonly agents: KeptAgent[];
  readonly effectFile: string;
  /** Decisions open with live gateways, as they say themselves. */
  open(): number;
  keysOfRegister(): Promise<string[]>;
  stop(): Promise<void>;
}

async function startRig(idempotent: boolean): Promise<Rig> {
  const dir = mkdtempSync(join(tmpdir(), 'capmesh-kill-'));
  const policy = join(dir, 'policy.yaml');
  writeFileSync(policy, POLICY);
  const effectFile = join(dir, 'effects.jsonl');
  writeFileSync(effectFile, '');
  const mesh = await startMesh({ dir: join(dir, 'data'), policy, gateways: 2 });
  await mesh.addUser('worker', 'agent');
  const argv = [
    mesh.url,
    credentialsFile(mesh.dir, 'worker'),
    effectFile,
    'work.do',
    String(idempotent),
    '250',
    '600',
    'none',
  ];
  const agents = await Promise.all(Array.from({ length: INSTANCES }, () => startAgent(argv)));
  const operator = mesh.credentials('operator');
  const nc = await connectBroker({ url: mesh.url, name: 'operator', seed: operator.seed });
  const open = new Map<string, { open: number; at: number }>();
  nc.subscribe('mesh.v1.peer.*', {
    callback: (err, msg) => (err === null ? void open.set(msg.subject, msg.json()) : undefined),
  });
  const caller = await connect({ url: mesh.url, creds: mesh.credentials(CALLER) });
  return {
    dir,
    mesh,
    caller,
    agents,
    effectFile,
    open: () =>
      [...open.values()].filter((p) => Date.now() - p.at < 1_500).reduce((sum, p) => sum + p.open, 0),
    async keysOfRegister() {
      const keys: string[] = [];
      await scan(nc, 'OUTCOMES', { headersOnly: true }, (m) => {
        keys.push(m.subject.split('.').slice(3).join('.'));
        return undefined;
      });
      return keys;
    },
    async stop() {
      agents.forEach((a) => a.stop());
      await caller.close(0);
      await nc.close();
      await mesh.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

const tell = (promise: Promise<unknown>): Promise<Told> =>
  promise.then(
    (value) => `completed:${JSON.stringify(value)}`,
    (err: MeshError) => `${err.status ?? 'none'}:${err.code}`,
  );

/** Call without pause until `stopped`; every id and what was told about it. */
async function load(rig: Rig, first: Map<string, Told | undefined>, stopped: () => boolean): Promise<void> {
  let n = 0;
  const one = async () => {
    while (!stopped()) {
      const id = newCallId();
      first.set(id, undefined);
      first.set(id, await tell(rig.caller.call('work.do', { n: n++ }, { id, timeoutMs: 30_000 })));
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, one));
}

/** Kill in turn: gateway, agent, other gateway, agent, supervisor, agent. Returns how many were open at each kill. */
async function killAll(rig: Rig): Promise<number[]> {
  const openAtKill: number[] = [];
  const restarts: Promise<void>[] = [];
  const agent = (i: number) => rig.agents[i % INSTANCES]?.killAndRestart();
  const victims = [
    () => rig.mesh.gateways[0]?.kill(),
    (i: number) => restarts.push(agent(i) ?? Promise.resolve()),
    () => rig.mesh.gateways[1]?.kill(),
    () => rig.mesh.control.kill(),
  ];
  for (let i = 0; i < KILLS; i++) {
    await pace(KILL_EVERY_MS); // the pace of the faults, not a wait for one
    for (const end = Date.now() + 10_000; rig.open() < MIN_OPEN && Date.now() < end;) {
      await pace(20);
    }
    openAtKill.push(rig.open());
    victims[i % victims.length]?.(i);
  }
  await Promise.all(restarts);
  return openAtKill;
}

async function run(idempotent: boolean) {
  const rig = await startRig(idempotent);
  try {
    const first = new Map<string, Told | undefined>();
    const began = Date.now();
    let stopped = false;
    const loading = load(rig, first, () => stopped);
    const openAtKill = await killAll(rig);
    stopped = true;
    await loading;
    const seconds = (Date.now() - began) / 1000;
    const again = new Map<string, Told | undefined>();
    const ids = [...first.keys()];
    let at = 0;
    const numbers = new Map(ids.map((id, n) => [id, n]));
    const retry = async () => {
      for (let id = ids[at++]; id !== undefined; id = ids[at++]) {
        again.set(
          id,
          await tell(rig.caller.call('work.do', { n: numbers.get(id) }, { id, timeoutMs: 30_000 })),
        );
      }
    };
    await Promise.all(Array.from({ length: 512 }, retry));
    const effects = readFileSync(rig.effectFile, 'utf8')
      .trim()
      .split('\n')
      .map((l) => (JSON.parse(l) as { key: string }).key);
    const verdict = judge({
      first,
      again,
      register: await rig.keysOfRegister(),
      effects,
      caller: CALLER,
      idempotent,
    });
    console.log(
      JSON.stringify({
        idempotent,
        seconds,
        kills: openAtKill.length,
        leastOpen: Math.min(...openAtKill),
        calls: verdict.calls,
        completed: verdict.completed,
        unknown: verdict.unknown,
        effects: effects.length,
        other: verdict.other.slice(0, 5),
      }),
    );
    return { verdict, openAtKill, seconds };
  } finally {
    await rig.stop();
  }
}

function expectHonest({ verdict, openAtKill, seconds }: Awaited<ReturnType<typeof run>>): void {
  expect(seconds).toBeGreaterThanOrEqual(30);
  expect(openAtKill.length).toBeGreaterThanOrEqual(20);
  expect(Math.min(...openAtKill)).toBeGreaterThanOrEqual(MIN_OPEN);
  expect(verdict.lost).toEqual([]);
  expect(verdict.doubled).toEqual([]);
  expect(verdict.effectsTwice).toEqual([]);
  expect(verdict.disagree).toEqual([]);
}

test('idempotent calls survive kills of every part', { timeout: 240_000 }, async () => {
  const result = await run(true);
  expectHonest(result);
  expect(result.verdict.completed / result.verdict.calls).toBeGreaterThanOrEqual(0.999);
});

test('calls that must not run twice never do', { timeout: 240_000 }, async () => {
  const result = await run(false);
  expectHonest(result);
  expect(result.verdict.completed / result.verdict.calls).toBeGreaterThanOrEqual(0.9);
  expect(result.verdict.completed + result.verdict.unknown).toBe(result.verdict.calls);
});

/**
 * A mesh under load and faults: two gateways, control, agents in processes of their own that write an effect file,
 * and one caller whose every answer is kept. Afterwards each id is called again and the judge has the word.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, newCallId, type Mesh, type MeshError } from '../../src/agent/index.js';
import { startMesh, type RunningMesh } from '../../src/cli/up/mesh.js';
import { connectBroker } from '../../src/fabric/connection.js';
import { scan } from '../../src/fabric/reader.js';
import { credentialsFile } from '../../src/fabric/users.js';
import { stagesToSplit } from './mesh.js';
import { judge, type Told, type Verdict } from './judge.js';
import { startAgent, type KeptAgent } from './kept-agent.js';

const CALLER = 'me';
const IN_FLIGHT = 400;
/** Instances of the agent. */
export const INSTANCES = 4;

const POLICY = `version: 1
roles:
  caller: { call: ['work.>'], mayRoot: true }
  worker: { serve: ['work.>'] }
members:
  me: [caller]
  worker: [worker]
retries:
  'work.>': { of: any, hedge: { after: 450ms, share: 30 } }
`;

/** What faults act on. */
export interface Rig {
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

async function startRig(idempotent: boolean, plant: 'none' | 'twice'): Promise<Rig> {
  const dir = mkdtempSync(join(tmpdir(), 'capmesh-kill-'));
  const policy = join(dir, 'policy.yaml');
  writeFileSync(policy, POLICY);
  const effectFile = join(dir, 'effects.jsonl');
  writeFileSync(effectFile, '');
  const mesh = await startMesh({ dir: join(dir, 'data'), policy, gateways: 2, split: stagesToSplit() });
  await mesh.addUser('worker', 'agent');
  const argv = [
    mesh.url,
    credentialsFile(mesh.dir, 'worker'),
    effectFile,
    'work.do',
    String(idempotent),
    '250',
    '600',
    plant,
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

/** Run load while `faults` does its work, then retry every id and judge. */
export async function runUnderFaults(
  idempotent: boolean,
  faults: (rig: Rig) => Promise<number[]>,
  plant: 'none' | 'twice' = 'none',
): Promise<{ verdict: Verdict; openAtFault: number[]; seconds: number }> {
  const rig = await startRig(idempotent, plant);
  try {
    const first = new Map<string, Told | undefined>();
    const began = Date.now();
    let stopped = false;
    const loading = load(rig, first, () => stopped);
    const openAtFault = await faults(rig);
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
        faults: openAtFault.length,
        leastOpen: Math.min(...openAtFault),
        calls: verdict.calls,
        completed: verdict.completed,
        unknown: verdict.unknown,
        effects: effects.length,
        other: verdict.other.slice(0, 5),
        unknowns: countBy([...first.values()].filter((told) => told?.startsWith('unknown') === true)),
      }),
    );
    return { verdict, openAtFault, seconds };
  } finally {
    await rig.stop();
  }
}

function countBy(list: readonly (string | undefined)[]): Record<string, number> {
  const counts: Record<string, number> = {};
  list.forEach((one) => (counts[one ?? 'none'] = (counts[one ?? 'none'] ?? 0) + 1));
  return counts;
}

/**
 * The harness of revocations under load: names are enrolled, work, and are put out one after the other. What happened
 * is read from the records of the mesh and from the server, never from what the one who was put out saw.
 */
import { randomBytes } from 'node:crypto';
import { connect, newCallId, type Mesh } from '../../src/agent/index.js';
import { Operator } from '../../src/cli/operator.js';
import { connectBroker, type NatsConnection } from '../../src/fabric/connection.js';
import { createUserKey } from '../../src/fabric/keys.js';
import { getLast, tail } from '../../src/fabric/reader.js';
import { readDecision, readOutcome } from '../../src/gateway/records.js';
import { enrolDigest, enrolPrefix } from '../../src/wire/enrolment.js';
import type { MeshError } from '../../src/wire/errors.js';
import { pace, until, type TestMesh } from './mesh.js';

/** What became of one that was put out; times in ms from the wish to put it out. */
export interface PutOut {
  readonly name: string;
  readonly kind: 'caller' | 'agent';
  /** The last decision of the mesh that let a call of it (or a task to it) through; 0: none after the wish. */
  lastAcceptedMs: number;
  /** When the server had no connection of it any more. */
  readonly connectionGoneMs: number;
  /** When the tasks that ran for it had an outcome. */
  readonly tasksEndedMs: number;
  /** What they ended with. */
  readonly tasks: readonly string[];
}

/** What happened. */
export interface Report {
  readonly putOut: readonly PutOut[];
  readonly unrelated: {
    readonly completed: number;
    readonly failed: number;
    /** Why. */
    readonly codes: ReadonlySet<string>;
  };
}

/** How the mesh must be: names `r0` … are members with the role `all`, and so are `stock`, `twin`, `boss`, who are users, and `worker`; `holder` has no role. */
export function revocationPolicy(count: number): object {
  const names = ['stock', 'twin', 'boss', 'worker', ...Array.from({ length: count }, (_, i) => `r${i}`)];
  return {
    version: 1,
    roles: { all: { call: ['>'], serve: ['>'], mayRoot: true } },
    members: { holder: [], ...Object.fromEntries(names.map((name) => [name, ['all']])) },
  };
}

const EVERY_MS = 40;
const TASKS = 3;

/** Put `count` names out under load, by turns a caller and an agent. What has not happened in `waitMs` is missing. */
export async function putOutMany(
  mesh: TestMesh,
  count: number,
  { first = 0, waitMs = 8_000 }: { readonly first?: number; readonly waitMs?: number } = {},
): Promise<Report> {
  const rig = await Rig.open(mesh, waitMs);
  const putOut: PutOut[] = [];
  try {
    for (let i = first; i < first + count; i++) {
      putOut.push(await (i % 2 === 0 ? rig.caller(`r${i}`) : rig.agent(`r${i}`)));
    }
  } finally {
    rig.end(); // a load that goes on after the mesh was stopped would never let this process end
  }
  return await rig.close(putOut);
}

/** What is wrong with it, by the promises of the mesh. Empty: nothing. */
export function breaches({ putOut, unrelated }: Report): string[] {
  const found: string[] = [];
  const p99 = (of: (one: PutOut) => number) => quantile(putOut.map(of), 0.99);
  if (p99((one) => one.lastAcceptedMs) > 1_000) {
    found.push('a call was accepted more than a second later');
  }
  if (p99((one) => one.connectionGoneMs) > 1_000) {
    found.push('a connection stood for more than a second');
  }
  for (const { name, kind, tasks } of putOut) {
    const want = kind === 'caller' ? 'cancelled revoked' : 'unknown attempt_lost';
    if (tasks.length === 0 || tasks.some((one) => one !== want)) {
      found.push(`the tasks of ${name} ended as ${tasks.join(', ')}`);
    }
  }
  const all = unrelated.completed + unrelated.failed;
  if (all < 10 * putOut.length || unrelated.completed / all < 0.999) {
    found.push(
      `of ${all} unrelated calls ${unrelated.completed} completed: ${[...unrelated.codes].join(', ')}`,
    );
  }
  return found;
}

/** In one line. */
export function summary({ putOut, unrelated }: Report): string {
  const of = (read: (one: PutOut) => number): string => {
    const times = putOut.map(read);
    return `p50 ${quantile(times, 0.5)} ms, p99 ${quantile(times, 0.99)} ms`;
  };
  return [
    `${putOut.length} put out: last accepted call ${of((one) => one.lastAcceptedMs)}`,
    `connection gone ${of((one) => one.connectionGoneMs)}`,
    `tasks ended ${of((one) => one.tasksEndedMs)}`,
    `unrelated calls ${unrelated.completed} of ${unrelated.completed + unrelated.failed} completed`,
  ].join('; ');
}

/** A key that has been enrolled under a name. */
export async function enrolled(
  url: string,
  operator: Operator,
  name: string,
): Promise<{ seed: string; publicKey: string }> {
  const token = enrolPrefix + randomBytes(32).toString('base64url');
  const until = Date.now() + 60_000;
  await operator.command('enrol', { agent: name, role: 'agent', digest: enrolDigest(token), until });
  const key = createUserKey();
  await (await connectBroker({ url, name, seed: key.seed, token: () => token })).close();
  return key;
}

function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round(sorted[Math.max(0, Math.ceil(sorted.length * q) - 1)] ?? Number.NaN);
}

class Rig {
  readonly #waitMs: number;
  readonly #mesh: TestMesh;
  readonly #operator: Operator;
  readonly #control: NatsConnection;
  readonly #boss: Mesh;
  #agents: readonly Mesh[] = [];
  /** When the mesh let the last call of a name through, or the last task to it. */
  readonly #accepted = new Map<string, number>();
  readonly #wished = new Map<string, number>();
  readonly #unrelated = { completed: 0, failed: 0, codes: new Set<string>() };
  readonly #stopTail: () => void;
  #running = 0;
  #over = false;
  #load: Promise<unknown>[] = [];

  private constructor(parts: {
    waitMs: number;
    mesh: TestMesh;
    operator: Operator;
    control: NatsConnection;
    boss: Mesh;
    stopTail: () => void;
    accepted: Map<string, number>;
  }) {
    this.#waitMs = parts.waitMs;
    this.#mesh = parts.mesh;
    this.#operator = parts.operator;
    this.#control = parts.control;
    this.#boss = parts.boss;
    this.#stopTail = parts.stopTail;
    this.#accepted = parts.accepted;
  }

  static async open(mesh: TestMesh, waitMs: number): Promise<Rig> {
    const accepted = new Map<string, number>();
    const stopTail = await tail(mesh.operator, 'DECISIONS', ({ headers }) => {
      const record = readDecision(headers);
      if (record?.verdict === 'allow') {
        accepted.set(record.from, record.at);
        accepted.set(record.agent, record.at);
      }
    });
    const operator = await Operator.open({ data: mesh.dir, url: mesh.url });
    const [control, boss] = [await mesh.broker('control'), await mesh.connect('boss')];
    const rig = new Rig({ waitMs, mesh, operator, control, boss, stopTail, accepted });
    const stock = await mesh.connect('stock', { concurrency: 512 });
    await stock.serveAll([
      { name: 'stock.read', options: { readOnly: true, idempotent: true }, handler: () => 1 },
      { name: 'stock.slow', options: {}, handler: (_, ctx) => rig.#hang(ctx.signal) },
    ]);
    const twin = await mesh.connect('twin', { concurrency: 512 });
    await twin.serve('work.again', { idempotent: true }, () => 'twin');
    // All gateways have heard of them before anything is counted.
    for (const what of ['stock.read', 'work.again']) {
      let known = 0;
      const again = () =>
        boss.call(what).then(
          () => ++known,
          () => (known = 0),
        );
      await until(async () => (await again()) >= 20, waitMs, 0);
    }
    rig.#agents = [stock, twin];
    rig.#load = Array.from({ length: 6 }, () => rig.#pump());
    return rig;
  }

  /** A caller whose calls go on without a pause, and whose tasks run. */
  async caller(name: string): Promise<PutOut> {
    const mesh = await this.#enrolled(name);
    const ids = Array.from({ length: TASKS }, () => newCallId());
    ids.forEach((id) => void mesh.call('stock.slow', {}, { id, timeoutMs: 60_000 }).catch(() => undefined));
    await until(() => this.#running === TASKS);
    let over = false;
    const loops = Array.from({ length: 3 }, async () => {
      while (!over && !this.#over) {
        await mesh.call('stock.read').catch((err: MeshError) => (over ||= err.code === 'revoked'));
      }
    });
    await pace(EVERY_MS);
    const out = await this.#putOut(name, 'caller', ids, name);
    over = true;
    await mesh.close(0);
    await Promise.all(loops);
    await until(() => this.#running === 0, this.#waitMs).catch(() => undefined);
    this.#running = 0;
    return out;
  }

  /** An agent that works on tasks that must not run twice, and gets others without a pause. */
  async agent(name: string): Promise<PutOut> {
    const mesh = await this.#enrolled(name, 64);
    const own = `${name}.once`;
    await mesh.serveAll([
      { name: own, options: {}, handler: () => (this.#running++, new Promise(() => undefined)) },
      { name: 'work.again', options: { idempotent: true }, handler: () => name },
    ]);
    const ids = Array.from({ length: TASKS }, () => newCallId());
    ids.forEach((id) => void this.#boss.call(own, {}, { id, timeoutMs: 60_000 }).catch(() => undefined));
    await until(() => this.#running === TASKS);
    let over = false;
    const loops = Array.from({ length: 3 }, async () => {
      while (!over && !this.#over) {
        await this.#count(this.#boss.call('work.again'));
      }
    });
    await pace(EVERY_MS);
    const out = await this.#putOut(name, 'agent', ids, 'boss');
    over = true;
    await Promise.all(loops);
    await mesh.close(0);
    this.#running = 0;
    return out;
  }

  /** No more load. */
  end(): void {
    this.#over = true;
  }

  /** Wait for the end of the load, and say what the mesh has on record. */
  async close(putOut: readonly PutOut[]): Promise<Report> {
    await Promise.all(this.#load);
    await pace(200); // the tail of the log
    for (const one of putOut) {
      const wished = this.#wished.get(one.name) ?? 0;
      one.lastAcceptedMs = Math.max(0, (this.#accepted.get(one.name) ?? 0) - wished);
    }
    this.#stopTail();
    await Promise.all([this.#operator.close(), ...this.#agents.map((one) => one.close(0))]);
    return { putOut, unrelated: this.#unrelated };
  }

  async #putOut(name: string, kind: PutOut['kind'], ids: string[], from: string): Promise<PutOut> {
    const wished = Date.now();
    this.#wished.set(name, wished);
    const since = () => Date.now() - wished;
    const gone = until(async () => !(await this.#isThere(name)) && since(), this.#waitMs, 10).catch(
      () => this.#waitMs,
    );
    const ended = until(async () => (await this.#outcomes(from, ids)) !== undefined && since(), this.#waitMs);
    const tasksEnded = ended.catch(() => this.#waitMs);
    await this.#operator.command('revoke', { agent: name });
    const [connectionGoneMs, tasksEndedMs] = await Promise.all([gone, tasksEnded]);
    const tasks = (await this.#outcomes(from, ids)) ?? ['nothing'];
    return { name, kind, lastAcceptedMs: 0, connectionGoneMs, tasksEndedMs, tasks };
  }

  async #isThere(name: string): Promise<boolean> {
    const request = JSON.stringify({ auth: true, user: name });
    const reply = await this.#control.request('$SYS.REQ.ACCOUNT.PING.CONNZ', request, { timeout: 1_000 });
    const { data } = reply.json<{ data: { connections?: unknown[] } }>();
    return (data.connections ?? []).length > 0;
  }

  /** What stands in the register of all of them; undefined while one is missing. */
  async #outcomes(from: string, ids: readonly string[]): Promise<string[] | undefined> {
    const stored = await Promise.all(
      ids.map((id) => getLast(this.#mesh.operator, 'OUTCOMES', `mesh.v1.settle.${from}.${id}`)),
    );
    const read = stored.map((one) => (one === undefined ? undefined : readOutcome(one.headers)));
    return read.includes(undefined)
      ? undefined
      : read.map((one) => `${one?.status ?? ''} ${one?.code ?? ''}`.trim());
  }

  async #enrolled(name: string, concurrency = 16): Promise<Mesh> {
    const { seed } = await enrolled(this.#mesh.url, this.#operator, name);
    return await connect({ url: this.#mesh.url, creds: { name, seed }, concurrency });
  }

  #hang(signal: AbortSignal): Promise<never> {
    this.#running++;
    return new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => (this.#running--, reject(new Error('stopped'))));
    });
  }

  async #pump(): Promise<void> {
    while (!this.#over) {
      await this.#count(this.#boss.call('stock.read'));
    }
  }

  #count(work: Promise<unknown>): Promise<unknown> {
    return work.then(
      () => this.#unrelated.completed++,
      (err: MeshError) => (
        this.#unrelated.failed++,
        this.#unrelated.codes.add(`${err.status ?? ''} ${err.code}`)
      ),
    );
  }
}

/**
 * The agents of the hostile suite and what happened to them: every run of a handler, every task that was given out.
 */
import type { Mesh, TaskContext } from '../../src/agent/index.js';
import type { Msg } from '../../src/fabric/connection.js';
import { header } from '../../src/wire/headers.js';
import { until, type TestMesh } from '../support/mesh.js';

/** A handler ran. */
export interface Run {
  readonly agent: string;
  readonly capability: string;
  readonly call: string;
  readonly body: unknown;
}

/** A task as the agent has it on the wire: its own ticket and its own reply subject are no secret to it. */
export interface Task {
  readonly subject: string;
  readonly reply: string;
  readonly ticket: string;
  readonly msg: Msg;
}

export interface Town {
  readonly members: ReadonlyMap<string, Mesh>;
  readonly runs: readonly Run[];
  /** A number that no other call has in its body. */
  next(): number;
  /** How many runs had this number. */
  ran(n: number): number;
  /** The task of a call that waits (`*.hold`), once it runs. */
  task(call: string): Promise<Task>;
  /** Let a waiting call finish with this value; waits until it is there. */
  release(call: string, value?: unknown): Promise<void>;
}

type Serve = readonly [name: string, options?: object, handler?: (body: never, ctx: TaskContext) => unknown];

const AGENTS = ['victim', 'bank2', 'shop', 'loop', 'evil', 'crony'];
const CALLERS = ['alice', 'mallory', 'boss', 'eve', 'clerk', 'temp'];

/** What `strict.body` takes: a policy, a validator and a handler must all see the same value. */
const STRICT = {
  type: 'object',
  properties: { amount: { type: 'integer' }, n: { type: 'integer' } },
  required: ['amount'],
  additionalProperties: false,
};

/** Start them all. */
export async function openTown(mesh: TestMesh): Promise<Town> {
  const runs: Run[] = [];
  const tasks = new Map<string, Task>();
  const holds = new Map<string, (value: unknown) => void>();
  let next = 1_000;
  mesh.operator.subscribe('mesh.v1.task.*.*.>', {
    callback: (err, msg) => {
      const said = (name: string): string => msg.headers?.get(name) ?? '';
      if (err === null && said(header.ticket) !== '') {
        const ticket = said(header.ticket);
        const { call } = JSON.parse(ticket.slice(0, ticket.lastIndexOf('.'))) as { call: string };
        tasks.set(call, { subject: msg.subject, reply: msg.reply ?? '', ticket, msg });
      }
    },
  });
  await mesh.operator.flush();
  const members = new Map<string, Mesh>();
  for (const name of [...AGENTS, ...CALLERS]) {
    members.set(name, await mesh.connect(name, { concurrency: 50 }));
  }
  const hold = (_: unknown, ctx: TaskContext): Promise<unknown> =>
    new Promise((resolve, reject) => {
      holds.set(ctx.callId, resolve);
      ctx.signal.addEventListener('abort', () => reject(new Error('stopped')));
    });
  const serve = async (agent: string, list: readonly Serve[]): Promise<void> => {
    await members.get(agent)?.serveAll(
      list.map(([name, options = {}, handler = () => ({ done: true })]) => ({
        name,
        options,
        handler: (body: unknown, ctx: TaskContext) => {
          runs.push({ agent, capability: name, call: ctx.callId, body });
          return handler(body as never, ctx);
        },
      })),
    );
  };
  await serve('victim', [
    ['pay.out', { idempotent: true }],
    ['pay.hold', {}, hold],
    ['pay.rule'],
    ['pay.label'],
    ['pay.secret'],
    ['strict.body', { input: STRICT }],
    ['strict.out', { output: { type: 'object', required: ['n'] } }, (body: object) => body],
    ['strict.linear', { input: { type: 'string', pattern: '^(a+)+$' } }],
    ['body.blob', { takes: ['bytes'] }, (body: Uint8Array) => ({ bytes: body.length })],
    ['held.one'],
    ['held.two'],
    ['held.soon'],
  ]);
  const via = (body: { capability: string; body: unknown; grant?: string }, ctx: TaskContext) =>
    ctx.call(body.capability, body.body, body.grant === undefined ? {} : { grant: body.grant });
  await serve('shop', [
    ['shop.via', {}, via],
    ['stock.read', { readOnly: true }],
    ['stock.set', { idempotent: true }],
    ['stock.work', { readOnly: true }, hold],
  ]);
  await serve('loop', [
    ['loop.a', {}, (body: { n: number }, ctx: TaskContext) => ctx.call('loop.a', body)],
    ...Array.from({ length: 20 }, (_, i): Serve => [
      `loop.d${i + 1}`,
      {},
      (body: { n: number }, ctx) => (i < 19 ? ctx.call(`loop.d${i + 2}`, body) : body),
    ]),
  ]);
  await serve('evil', [
    ['evil.hold', {}, hold],
    ['evil.out', { output: { type: 'object', required: ['n'] } }, (body: object) => body],
    [
      'evil.deaf',
      {},
      (_: unknown, ctx: TaskContext) => new Promise((resolve) => void holds.set(ctx.callId, resolve)),
    ],
    ['evil.wait', { output: { type: 'object', required: ['n'] } }, hold],
    ['evil.echo', {}, (body: unknown) => body],
  ]);
  await serve('crony', [['crony.hold', {}, hold]]);
  return {
    members,
    runs,
    next: () => next++,
    ran: (n) => runs.filter(({ body }) => (body as { n?: number } | null)?.n === n).length,
    task: (call) => until(() => holds.has(call) && tasks.get(call)),
    release: async (call, value = { held: true }) => {
      const resolve = await until(() => holds.get(call));
      resolve(value);
    },
  };
}

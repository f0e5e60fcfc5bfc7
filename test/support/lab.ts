/**
 * An agent for tests of doors: what it is asked to do, and what it saw.
 */
import type { Mesh, TaskContext } from '../../src/agent/index.js';

/** What happened in the lab. */
export interface Lab {
  /** Bodies of every task of `lab.slow`. */
  readonly started: unknown[];
  /** Reasons of aborts that reached `lab.slow`. */
  readonly aborted: string[];
  /** Let the tasks of `lab.slow` that wait now go on. */
  release(): void;
}

/** Serve `lab.echo`, `lab.square` (its body is a number), `lab.slow`, `lab.parts`, `lab.fail` and `lab.list` (it gives a list). */
export async function openLab(mesh: Mesh): Promise<Lab> {
  const started: unknown[] = [];
  const aborted: string[] = [];
  let waiting: (() => void)[] = [];
  const slow = (body: unknown, ctx: TaskContext): Promise<object> =>
    new Promise((resolve, reject) => {
      started.push(body);
      waiting.push(() => resolve({ released: true }));
      ctx.signal.addEventListener('abort', () => {
        aborted.push((ctx.signal.reason as { code: string }).code);
        reject(new Error('stopped'));
      });
    });
  const text = { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] };
  const number = { type: 'number' };
  await mesh.serveAll([
    {
      name: 'lab.echo',
      options: { input: text, output: text, readOnly: true, idempotent: true, description: 'Says it again.' },
      handler: (body: unknown) => body,
    },
    {
      name: 'lab.square',
      options: { input: number, output: number, idempotent: true },
      handler: (body: number) => body * body,
    },
    { name: 'lab.slow', options: {}, handler: slow },
    {
      name: 'lab.parts',
      options: {},
      handler: async (_: unknown, ctx: TaskContext) => {
        await ctx.progress('one');
        await ctx.progress({ n: 2 });
        await ctx.progress(3);
        return null;
      },
    },
    {
      name: 'lab.fail',
      options: {},
      handler: () => {
        throw new Error('the fuse is blown');
      },
    },
    { name: 'lab.list', options: { lifeMs: 5_000 }, handler: () => [1, 2] },
  ]);
  const release = (): void => {
    waiting.forEach((go) => go());
    waiting = [];
  };
  return { started, aborted, release };
}

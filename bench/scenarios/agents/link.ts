/**
 * Links of chains: each does its part and asks the next one. A broken one says at once that it failed, and says to the
 * witness whom it failed.
 */
import { play } from './role.js';

/** One link. */
export interface Link {
  readonly name: string;
  readonly serves: string;
  /** The last one asks nobody. */
  readonly asks?: string;
}

/** What a broken one says. */
export interface Said {
  readonly agent: string;
  readonly request: number;
  readonly at: number;
}

await play<{ links: readonly Link[]; breaks: readonly string[] }>(async ({ settings, say, open }) => {
  let broken = false;
  for (const { name, serves, asks } of settings.links) {
    const mesh = await open(name, 256);
    await mesh.serve(serves, { idempotent: true }, async (body: { request: number }, task) => {
      if (broken && settings.breaks.includes(name)) {
        say({ agent: name, request: body.request, at: Date.now() });
        throw new Error('out of order');
      }
      return asks === undefined ? body : await task.call(asks, body);
    });
  }
  return (order) => {
    broken = order === 'break';
  };
});

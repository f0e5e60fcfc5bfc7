/**
 * outliner: the headings of a document. Two instances of it run, and one is killed at its work.
 */
import { connect } from '../../../agent/index.js';
import { effectOnce, midWork, ready } from './stage.js';

const mesh = await connect({ description: 'Finds the headings of a document.', concurrency: 1 });

await mesh.serve(
  'docs.outline',
  {
    idempotent: true, // a second attempt finds the effect of the first by its key, and makes none
    input: { type: 'object', required: ['path'], properties: { path: { type: 'string' } } },
    output: {
      type: 'object',
      required: ['title', 'headings'],
      properties: { title: { type: 'string' }, headings: { type: 'array', items: { type: 'string' } } },
    },
  },
  async ({ path }: { path: string }, ctx) => {
    const { text } = await ctx.call<{ text: string }>('docs.read', { path });
    await midWork(ctx);
    const prose = text.replace(/^```.*?^```/gms, '');
    const headings = prose.split('\n').flatMap((line) => /^#{1,6} (.+)$/.exec(line)?.[1] ?? []);
    effectOnce('docs.outline', ctx);
    return { title: headings[0] ?? path, headings: headings.slice(1) };
  },
);
ready(mesh);

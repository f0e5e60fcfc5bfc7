/**
 * counter: the words of a document.
 */
import { connect } from '../../../agent/index.js';
import { effectOnce, ready } from './stage.js';

const mesh = await connect({ description: 'Counts the words of a document.' });

await mesh.serve(
  'docs.count',
  {
    idempotent: true,
    input: { type: 'object', required: ['path'], properties: { path: { type: 'string' } } },
    output: { type: 'object', required: ['words'], properties: { words: { type: 'integer' } } },
  },
  async ({ path }: { path: string }, ctx) => {
    const { text } = await ctx.call<{ text: string }>('docs.read', { path });
    effectOnce('docs.count', ctx);
    return { words: text.split(/\s+/).filter((word) => /\w/.test(word)).length };
  },
);
ready(mesh);

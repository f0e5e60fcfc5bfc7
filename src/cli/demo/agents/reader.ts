/**
 * reader: reads one document.
 */
import { connect } from '../../../agent/index.js';
import { effectOnce, ready } from './stage.js';

const mesh = await connect({ description: 'Reads a document.' });

await mesh.serve(
  'docs.read',
  {
    idempotent: true,
    readOnly: true,
    input: { type: 'object', required: ['path'], properties: { path: { type: 'string' } } },
    output: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } },
  },
  async ({ path }: { path: string }, ctx) => {
    const { content } = await ctx.call<{ content: string }>('fs.read_text_file', { path });
    effectOnce('docs.read', ctx);
    return { text: content };
  },
);
ready(mesh);

/**
 * lister: finds the documents below a folder.
 */
import { connect, type TaskContext } from '../../../agent/index.js';
import { effect, ready } from './stage.js';

const mesh = await connect({ description: 'Finds the markdown files below a folder.' });

await mesh.serve(
  'docs.list',
  {
    readOnly: true,
    input: { type: 'object', required: ['folder'], properties: { folder: { type: 'string' } } },
    output: {
      type: 'object',
      required: ['documents'],
      properties: { documents: { type: 'array', items: { type: 'string' } } },
    },
  },
  async ({ folder }: { folder: string }, ctx) => {
    const documents = await below(folder, ctx);
    effect('docs.list', ctx);
    return { documents };
  },
);
ready(mesh);

async function below(folder: string, ctx: TaskContext): Promise<string[]> {
  const { content } = await ctx.call<{ content: string }>('fs.list_directory', { path: folder });
  const found: string[] = [];
  for (const line of content.split('\n')) {
    const [, kind, name = ''] = /^\[(FILE|DIR)\] (.+)$/.exec(line) ?? [];
    if (kind === 'DIR') {
      found.push(...(await below(`${folder}/${name}`, ctx)));
    } else if (name.endsWith('.md')) {
      found.push(`${folder}/${name}`);
    }
  }
  return found.sort();
}

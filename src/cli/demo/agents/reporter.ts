/**
 * reporter: asks the others about every document and puts the answers together. It would like to save the report
 * too, which nobody has granted to it.
 */
import { connect, MeshError, type TaskContext } from '../../../agent/index.js';
import type { DocumentFacts, Report } from '../report.js';
import { effect, ready } from './stage.js';

const mesh = await connect({ description: 'Reports on the documents below a folder.' });

await mesh.serve(
  'docs.report',
  {
    input: { type: 'object', required: ['folder'], properties: { folder: { type: 'string' } } },
    output: {
      type: 'object',
      required: ['documents'],
      properties: { documents: { type: 'array', items: { type: 'object' } } },
    },
  },
  async ({ folder }: { folder: string }, ctx): Promise<Report> => {
    const { documents } = await ctx.call<{ documents: string[] }>('docs.list', { folder });
    const facts = await Promise.all(documents.map((path) => study(path, ctx)));
    const saved = await save(`${folder}/report.json`, facts, ctx);
    effect('docs.report', ctx);
    return { documents: facts, saved };
  },
);
ready(mesh);

async function study(path: string, ctx: TaskContext): Promise<DocumentFacts> {
  const [outline, count] = await Promise.all([
    ctx.call<{ title: string; headings: string[] }>('docs.outline', { path }),
    ctx.call<{ words: number }>('docs.count', { path }),
  ]);
  return { path, title: outline.title, headings: outline.headings.length, words: count.words };
}

async function save(path: string, facts: readonly DocumentFacts[], ctx: TaskContext): Promise<boolean> {
  try {
    await ctx.call('fs.write_file', { path, content: JSON.stringify(facts) });
    return true;
  } catch (err) {
    if (err instanceof MeshError && err.code === 'not_granted') {
      return false; // the report is worth having all the same
    }
    throw err;
  }
}

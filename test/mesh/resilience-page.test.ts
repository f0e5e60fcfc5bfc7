/**
 * docs/resilience.md is true: its policy is in force and its commands are run, in its order.
 */
import { join } from 'node:path';
import { parse } from 'yaml';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readPage } from '../support/markdown.js';
import { startTestMesh, type TestMesh } from '../support/mesh.js';
import { typed } from '../support/page-terminal.js';
import { install } from '../support/reader.js';

const { fences } = readPage('docs/resilience.md');
const policy = fences.find(({ language }) => language === 'yaml')?.text ?? '';

let mesh: TestMesh;
let folder: string;

beforeAll(async () => {
  mesh = await startTestMesh({ users: { me: 'caller', stock: 'agent' }, policy: parse(policy) as object });
  folder = join(mesh.dir, 'reader');
  install(folder);
  const stock = await mesh.connect('stock');
  await stock.serve('stock.read', () => 3);
});
afterAll(() => mesh.stop());

test('what an operator sees and does', async () => {
  const script = fences.find(({ language }) => language === 'sh')?.text ?? '';
  const said = await typed(script, { mesh, folder, as: 'operator' }).ends(30_000);
  const open = said.split('\n').find((line) => line.startsWith('{')) ?? '{}';
  expect(JSON.parse(open)).toMatchObject({
    breakers: [{ agent: 'stock', capability: 'stock.read', state: 'open', forced: { why: 'it is moved' } }],
  });
  const me = await mesh.connect('me');
  expect(await me.call('stock.read')).toBe(3);
});

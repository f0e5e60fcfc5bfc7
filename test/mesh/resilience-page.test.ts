/**
 * docs/resilience.md and docs/traffic.md are true: their policies are in force and their commands are run, in their order.
 */
import { join } from 'node:path';
import { parse } from 'yaml';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readPage } from '../support/markdown.js';
import { startTestMesh, type TestMesh } from '../support/mesh.js';
import { ran } from '../support/page-terminal.js';
import { install } from '../support/reader.js';

const blocks = (path: string, kind: string): string[] =>
  readPage(path)
    .fences.filter(({ language }) => language === kind)
    .map(({ text }) => text);

interface Policy {
  readonly roles?: object;
  readonly members?: Readonly<Record<string, readonly string[]>>;
}

/** What both pages say, together. */
function policy(): object {
  const all = ['docs/traffic.md', 'docs/resilience.md'].flatMap((path) =>
    blocks(path, 'yaml').map((text) => parse(text) as Policy),
  );
  const names = all.flatMap(({ members = {} }) => Object.keys(members));
  const rolesOf = (name: string) => [...new Set(all.flatMap(({ members = {} }) => members[name] ?? []))];
  return {
    ...Object.assign({}, ...all),
    roles: Object.assign({}, ...all.map(({ roles }) => roles)) as object,
    members: Object.fromEntries(names.map((name) => [name, rolesOf(name)])),
  };
}

let mesh: TestMesh;
let folder: string;

beforeAll(async () => {
  mesh = await startTestMesh({ users: { me: 'caller', stock: 'agent' }, policy: policy() });
  folder = join(mesh.dir, 'reader');
  install(folder);
  const stock = await mesh.connect('stock');
  await stock.serve('stock.read', () => 3);
});
afterAll(() => mesh.stop());

/** Run a script of a page as this user; what it says ends with its exit code. */
const run = (script: string, as: string): Promise<string> => ran(script, { mesh, folder, as }, 30_000);

test('what an operator sees and does', async () => {
  const said = await run(`set -e\n${blocks('docs/resilience.md', 'sh').join('\n')}`, 'operator');
  expect(said).toContain('exit 0');
  const open = said.split('\n').find((line) => line.startsWith('{')) ?? '{}';
  expect(JSON.parse(open)).toMatchObject({
    breakers: [{ agent: 'stock', capability: 'stock.read', state: 'open', forced: { why: 'it is moved' } }],
  });
  const me = await mesh.connect('me');
  expect(await me.call('stock.read')).toBe(3);
});

test('a caller says how urgent it is, and who may not say critical is refused', async () => {
  const [batch = '', critical = ''] = blocks('docs/traffic.md', 'sh');
  expect(await run(batch, 'me')).toMatch(/^3$[^]*exit 0/m);
  expect(await run(`set +e\n${critical}`, 'me')).toMatch(/priority_denied[^]*exit 3/);
});

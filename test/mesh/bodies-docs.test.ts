/**
 * The pages on bodies and on many calls are true: their files are written, their commands typed, in their order.
 */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { credentialsFile } from '../../src/fabric/users.js';
import { readPage } from '../support/markdown.js';
import { startTestMesh, type TestMesh } from '../support/mesh.js';
import { install, pathWithQuickNpx } from '../support/reader.js';
import { Terminal } from '../support/terminal.js';

const folder = mkdtempSync(join(tmpdir(), 'capmesh-bodies-docs-'));
const env: NodeJS.ProcessEnv = {};
const agents: Terminal[] = [];
let mesh: TestMesh;

beforeAll(async () => {
  mesh = await startTestMesh({ users: { me: 'caller', worker: 'agent' } });
  install(folder);
  mkdirSync(join(folder, '.mesh', 'creds'), { recursive: true });
  for (const name of ['me', 'worker']) {
    copyFileSync(credentialsFile(mesh.dir, name), join(folder, '.mesh', 'creds', `${name}.json`));
  }
  const { MESH_DATA: _data, MESH_CREDS: _creds, ...inherited } = process.env;
  const here = { NATS_URL: mesh.url, MESH_URL: mesh.url, MESH_DATA: mesh.dir };
  Object.assign(env, inherited, here, { NO_COLOR: '1', PATH: pathWithQuickNpx(folder) });
});

afterAll(async () => {
  await Promise.all(agents.map((terminal) => terminal.interrupt()));
  await mesh.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Write all files of a page, start its agent, then type all its commands; what they printed. */
async function follow(page: string, agent: string, ready: string): Promise<string> {
  const { fences } = readPage(page);
  for (const { language, text } of fences.filter((one) => one.language === 'js')) {
    const name = /^\/\/ (\w+\.mjs)\n/.exec(text)?.[1];
    expect(name, `${page}: ${language} names its file`).toBeDefined();
    writeFileSync(join(folder, name ?? ''), text);
  }
  const terminal = new Terminal(`node ${agent}`, { cwd: folder, env });
  agents.push(terminal);
  await terminal.shows(ready, 20_000);
  let said = '';
  for (const { text } of fences.filter((one) => one.language === 'sh')) {
    said += await new Terminal(text, { cwd: folder, env }).ends(60_000);
  }
  return said;
}

test('large bodies', { timeout: 120_000 }, async () => {
  const said = await follow('docs/bodies.md', 'picture.mjs', 'worker serves picture.mirror');
  expect(said).toContain('mirrored true 20000000');
  expect(said).toContain('same');
});

test('many calls, and finding', { timeout: 120_000 }, async () => {
  const said = await follow('docs/howto/many-calls.md', 'agent.mjs', 'worker serves translate.text');
  expect(said).toContain("[ [ 'translate.text', 'worker' ] ]");
  expect(said).toMatch(/translate\.text v1 +worker +\d +expert +region=eu gpu=true/);
  expect(said).toContain('990 done, 10 failed');
  expect(said).toContain('1\t{"text":"A"}\n2\t{"text":"B"}\n');
  expect(said.match(/"status":"completed"/g)).toHaveLength(2);
});

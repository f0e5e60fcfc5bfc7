/**
 * The README is true: its code is written to files and run, its commands are typed into terminals, in its order.
 * Only three things differ: npm installs nothing (the repository is linked), the port is a free one, and `nats` is a
 * stand-in over the official client, unless TEST_NATS names the real one.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readPage } from '../support/markdown.js';
import { cleanEnv, install, pathWithNats, Reader } from '../support/reader.js';

const page = readPage('README.md');
const folder = mkdtempSync(join(tmpdir(), 'capmesh-readme-'));
let reader: Reader;

beforeAll(() => {
  const home = join(folder, 'hello');
  install(home);
  reader = new Reader({
    folder: home,
    env: cleanEnv({ PATH: pathWithNats(folder, process.env['TEST_NATS']) }),
    stays: [
      ['npx mesh up', 'The mesh is up'],
      ['node agent.mjs', 'inventory serves inventory.query'],
      ['nats --context clock reply', 'Listening on'],
    ],
    done: ['mkdir hello && cd hello', 'npm init -y', 'npm install ../capmesh'],
  });
});
afterAll(async () => {
  await reader.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('the first steps lead to an answer', { timeout: 180_000 }, async () => {
  const said = await reader.follow(page, 'Your own agent');
  expect(said).toContain("{ sku: 'a-1', inStock: 12 }");
  expect(said).toMatch(/"sku": "a-1",\s+"inStock": 12/);
  expect(said).toMatch(/inventory\.query +inventory +completed/);
});

test('an agent has ten lines, and a caller fewer', () => {
  const code = page.fences.filter(({ language }) => language === 'js').map(({ text }) => text.trim());
  const [agent = 0, caller = 0, ...others] = code.map((text) => text.split('\n').length);
  expect(agent).toBeLessThanOrEqual(10);
  expect(caller).toBeLessThan(agent);
  expect(others).toEqual([]);
});

test('any NATS client calls, and answers', { timeout: 180_000 }, async () => {
  expect(await reader.follow(page, 'Any NATS client')).toContain('{"sku":"a-1","inStock":12}');
  const now = page.spans.find(({ text }) => text.startsWith('npx mesh call clock.now'))?.text ?? '';
  expect(await reader.type(now)).toMatch(/"now": "\d{4}-\d\d-\d\dT/);
});

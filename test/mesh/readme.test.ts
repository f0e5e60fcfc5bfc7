/**
 * The README is true: its code is written to files and run, its commands are typed into terminals, in its order.
 * Only three things differ: npm installs nothing (the repository is linked), the port is a free one, and `nats` is a
 * stand-in over the official client.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readPage } from '../support/markdown.js';
import { Reader } from '../support/reader.js';

const repository = resolve('.');
const folder = mkdtempSync(join(tmpdir(), 'capmesh-readme-'));
const hello = join(folder, 'hello');
const bin = join(folder, 'bin');
const page = readPage('README.md');
const { NATS_URL: _url, MESH_DATA: _data, ...inherited } = process.env;
const reader = new Reader({
  folder: hello,
  env: {
    ...inherited,
    PATH: [bin, process.env['PATH'] ?? ''].join(delimiter),
    NO_COLOR: '1',
    npm_config_yes: 'false',
  },
  stays: [
    ['npx mesh up', 'The mesh is up'],
    ['node agent.mjs', 'inventory serves inventory.query'],
    ['nats --context clock reply', 'Listening on'],
  ],
  done: ['mkdir hello && cd hello', 'npm init -y', 'npm install ../capmesh'],
});

beforeAll(() => {
  mkdirSync(join(hello, 'node_modules', '.bin'), { recursive: true });
  symlinkSync(repository, join(hello, 'node_modules', 'capmesh'));
  symlinkSync('../capmesh/bin/mesh.js', join(hello, 'node_modules', '.bin', 'mesh'));
  writeFileSync(join(hello, 'package.json'), '{"name":"hello","private":true}\n');
  mkdirSync(bin);
  writeFileSync(
    join(bin, 'nats'),
    `#!/bin/sh\nexec node '${repository}/test/support/nats-command.mjs' "$@"\n`,
  );
  chmodSync(join(bin, 'nats'), 0o755);
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

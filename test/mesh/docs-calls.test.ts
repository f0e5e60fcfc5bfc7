/**
 * docs/calls.md is true: its programs and its commands are run, in its order.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readPage } from '../support/markdown.js';
import { startTestMesh, type TestMesh } from '../support/mesh.js';
import { typed } from '../support/page-terminal.js';
import { install } from '../support/reader.js';
import type { Terminal } from '../support/terminal.js';

const page = readPage('docs/calls.md');
const STEP_MS = 30_000;

let mesh: TestMesh;
let folder: string;
let writer: Terminal | undefined;

beforeAll(async () => {
  mesh = await startTestMesh({ users: { me: 'caller', writer: 'agent', inventory: 'agent' } });
  const inventory = await mesh.connect('inventory');
  await inventory.serve('inventory.query', ({ sku }: { sku: string }) => ({ sku, inStock: 12 }));
  folder = join(mesh.dir, 'reader');
  install(folder);
});
afterAll(async () => {
  await writer?.interrupt();
  await mesh.stop();
});

const terminal = (as: string, script: string): Terminal => typed(script, { mesh, folder, as });

/** Write the programs of the page, and run the one that is asked for. */
function program(file: string): string {
  const fence = page.fences.find(({ text }) => text.startsWith(`// ${file}\n`));
  writeFileSync(join(folder, file), fence?.text ?? '');
  return `node ${file}`;
}

const commands = (section: string): string =>
  page.fences.find((fence) => fence.section === section && fence.language === 'sh')?.text ?? '';

test('partial outputs and a question', async () => {
  writer = terminal('writer', program('writer.mjs'));
  await writer.shows('writer serves report.write', STEP_MS);
  const said = await terminal('me', program('reader.mjs')).ends(STEP_MS);
  expect(said.trim().split('\n')).toEqual([
    '1 This is chapter 1.',
    '2 This is chapter 2.',
    '3 This is chapter 3.',
    "{ title: 'On reading', chapters: 3 }",
  ]);
  const shell = await terminal('me', commands('Partial outputs')).ends(STEP_MS);
  expect(shell).toContain('{"chapter":2,"text":"This is chapter 2."}');
  expect(shell).toContain('exit code 1'); // nobody sits at this terminal: the handler was told no_answer
});

test('calls without somebody waiting', async () => {
  const said = await terminal('me', commands('Calls without somebody waiting')).ends(STEP_MS);
  expect(said).toContain('"inStock": 12');
  expect(said).toContain('completed');
  const later = await terminal('me', program('later.mjs')).ends(STEP_MS);
  expect(later.trim().split('\n')).toEqual(['This is chapter 1.', 'Later']);
});

test('what belongs together', async () => {
  const said = await terminal('me', commands('What belongs together')).ends(STEP_MS);
  expect(said.match(/inventory\.query/g)).toHaveLength(1);
});

/**
 * docs/routing.md is true: its policy is pushed and its commands are run, in its order.
 */
import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Mesh } from '../../src/agent/index.js';
import { readPage } from '../support/markdown.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';
import { ran, typed } from '../support/page-terminal.js';
import { install } from '../support/reader.js';
import type { Terminal } from '../support/terminal.js';
import { codeOf } from '../support/views.js';

const { fences } = readPage('docs/routing.md');
const STEP_MS = 30_000;

let mesh: TestMesh;
let folder: string;
let me: Mesh;
let writers: Terminal | undefined;

beforeAll(async () => {
  mesh = await startTestMesh({ users: { me: 'caller', quill: 'agent', sage: 'agent' } });
  folder = join(mesh.dir, 'reader');
  install(folder);
  symlinkSync(mesh.dir, join(folder, '.mesh'));
  write('routing.yaml');
  write('writers.mjs');
  me = await mesh.connect('me');
});
afterAll(async () => {
  await writers?.interrupt();
  await mesh.stop();
});

/** Write a file of the page, for the mesh of this test. */
function write(name: string): void {
  const text = fences.find((one) => new RegExp(`^(#|//) ${name}\n`).test(one.text))?.text ?? '';
  writeFileSync(join(folder, name), text.replace('nats://127.0.0.1:4222', mesh.url));
}

/** Run the fence with these words, as the page has it; what it printed, and the exit code of its last command. */
async function run(words: string, as?: string): Promise<string> {
  const script = fences.find((one) => one.language === 'sh' && one.text.includes(words))?.text ?? '';
  return await ran(script, { mesh, folder, as }, STEP_MS);
}

test('the policy is fine, and in force', async () => {
  const said = await run('policy push', 'operator');
  expect(said).toContain('Nothing to correct.');
  expect(said).toMatch(/In force: \S{16}/);
  expect(await run('agents add', 'operator')).toMatch(/quill is an agent[^]*sage is an agent[^]*exit 0$/);
  writers = typed('node writers.mjs', { mesh, folder });
  await writers.shows('quill and sage serve text.summary', STEP_MS);
  await until(async () => (await codeOf(me.call('text.summary', {}, { route: 'best' }))) === 'route_denied');
});

test('a call says what it wishes', async () => {
  const said = await run('--difficulty hard', 'me');
  expect(said).toMatch(/"good"[\s\S]*"agent":"sage"[\s\S]*"good"\nexit 0$/);
});

test('what is known', async () => {
  await me.call('text.summary', {}); // of whom nothing was asked yet nothing is known
  const shown = await until(async () => {
    const said = await run('route show');
    return /quill .*\d %/.test(said) && said;
  });
  expect(shown).toMatch(/text\.summary +quill +novice +\d+\.\d % +[\d.]+ +10 \(card\) +[\d.]+ \S+ ago/);
  expect(shown).toMatch(/text\.summary +sage +expert/);
});

test('why it went there', async () => {
  const said = await run('route explain');
  expect(said).toMatch(/text\.summary, attempt 1: quill, chosen by cheapest .* of the best, out of 2\./);
  expect(said).toMatch(/\* +quill +\S+ +\S+ %? +\S+ +10/);
  expect(said).toContain('No cheaper one was known.');
  expect(said).toMatch(/Route: quill, chosen by cheapest/);
  expect(said).toMatch(/exit 0$/);
});

/** The page on interceptors is true: its commands are typed, in their order. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readPage } from '../support/markdown.js';
import { sitDown } from '../support/reader.js';

const page = readPage('docs/interceptors.md');
const { reader, folder, leave } = sitDown([
  ['npx mesh up', 'The mesh is up'],
  ['npx mesh interceptor authority', 'authority is ready'],
  ['npx mesh gateway', 'gateway is ready'],
]);

beforeAll(async () => {
  await reader.type('npx mesh init --yes --port 4222');
}, 60_000);
afterAll(leave);

test('stages are split, shared, and judged by a fused gateway beside them', { timeout: 90_000 }, async () => {
  const said = await reader.follow(page, 'How');
  expect(said).toMatch(/capability_unknown|not_granted/);
  expect(said).toMatch(/^Nothing to mend\.$/m);
  const state = JSON.parse(readFileSync(join(folder, '.mesh', 'mesh.json'), 'utf8')) as {
    interceptors: object[];
  };
  expect(state.interceptors).toHaveLength(2);
});

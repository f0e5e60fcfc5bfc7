/** `docs/models.md` is true: its commands are typed in their order, against a provider of our own. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readPage } from '../support/markdown.js';
import { startModelProvider, type ModelProvider } from '../support/model-provider.js';
import { sitDown } from '../support/reader.js';

const KEY = 'sk-nobody-may-see-this';
const page = readPage('docs/models.md');
let provider: ModelProvider;
let seat: ReturnType<typeof sitDown>;

beforeAll(async () => {
  provider = await startModelProvider();
  const stays = [
    ['npx mesh up', 'The mesh is up'],
    ['mesh mount llm', 'Ctrl-C ends the mount'],
  ] as const;
  seat = sitDown(stays, { OPENAI_BASE_URL: provider.baseUrl, OPENAI_API_KEY: KEY });
  await seat.reader.type('npx mesh up --port 4222');
});
afterAll(async () => {
  await seat.leave();
  await provider.stop();
});

test('a model behind the mesh', async () => {
  const said = await seat.reader.follow(page, 'A model behind the mesh');
  expect(said).toContain('gpt-4o-mini of 127.0.0.1');
  expect(said).toMatch(/"content": "größer w1 w2 w3"/);
  expect(said).toMatch(/"delta":[^]*"größer"[^]*" w3"/);
  expect([...provider.counted.values()].at(-1)?.headers.authorization).toBe(`Bearer ${KEY}`);
  expect(said).not.toContain(KEY);
});

test('what a call used', async () => {
  const said = await seat.reader.follow(page, 'What a call used');
  expect(said).toMatch(/llm\.chat used \d+ promptTokens, \d+ completionTokens, \d+ tokens.* \(measured\)/);
});

test('the key stands in nothing that the mesh keeps', () => {
  const { env } = { env: readFileSync(join(seat.folder, '.mesh', 'creds', 'llm.json'), 'utf8') };
  expect(env).not.toContain(KEY);
});

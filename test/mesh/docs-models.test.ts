/** `docs/models.md` is true: its commands are typed in their order, against a provider of our own. */
import { symlinkSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readPage } from '../support/markdown.js';
import { startModelProvider, type ModelProvider } from '../support/model-provider.js';
import { sitDown } from '../support/reader.js';

const KEY = 'sk-nobody-may-see-this';
let page = readPage('docs/models.md');
let provider: ModelProvider;
let seat: ReturnType<typeof sitDown>;

beforeAll(async () => {
  provider = await startModelProvider();
  const stays = [
    ['npx mesh up', 'The mesh is up'],
    ['mesh mount llm', 'Ctrl-C ends the mount'],
    ['mesh serve llm', 'Models at'],
  ] as const;
  seat = sitDown(stays, { OPENAI_BASE_URL: provider.baseUrl, OPENAI_API_KEY: KEY });
  symlinkSync(resolve('node_modules/openai'), join(seat.folder, 'node_modules', 'openai'));
  const port = await freePort();
  page = { ...page, fences: page.fences.map((one) => ({ ...one, text: one.text.replaceAll('4301', port) })) };
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

test('what a call costs', async () => {
  const said = await seat.reader.follow(page, 'What a call costs');
  expect(said).toContain('größer');
  const show = `${CALL_ID} && npx mesh calls show "$call" && npx mesh trace "$call"`;
  const shown = await seat.reader.type(show);
  expect(shown.match(/llm\.chat .*was charged 0\.0\d+ USD, \d+ tokens.* \(measured\)/g)).toHaveLength(2);
});

/** Another call, and its id. */
const CALL_ID = `call=$(npx mesh call llm.chat '{"messages":[{"role":"user","content":"Hi."}]}' --json | node -p 'JSON.parse(fs.readFileSync(0)).call')`;

test('clients before the mesh', async () => {
  const said = await seat.reader.follow(page, 'Clients before the mesh');
  expect(said).toContain('model llm.chat');
  expect(said).toContain('größer w1 w2 w3');
});

test('the key stands in nothing that the mesh keeps', async () => {
  const found = await seat.reader.type(`grep -rl '${KEY}' .mesh || echo nowhere`);
  expect(found).toContain('nowhere');
});

function freePort(): Promise<string> {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => done(String(port)));
    });
  });
}

/** The examples run as their pages say, against `mesh up`; the one around a model is tried with one that misbehaves. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect, newCallId, type Mesh, type MeshError } from '../../src/agent/index.js';
import { credentialsFile, loadCredentials } from '../../src/fabric/users.js';
import type { CallPage } from '../../src/control/views/pages.js';
import { startChatServer, type ChatServerHandle } from '../support/chat-server.js';
import { readPage } from '../support/markdown.js';
import { until } from '../support/mesh.js';
import { cleanEnv, Reader } from '../support/reader.js';
import { ask } from '../support/views.js';
import { connectBroker } from '../../src/fabric/connection.js';

const folder = mkdtempSync(join(tmpdir(), 'capmesh-examples-'));
const data = join(folder, 'mesh');
let chat: ChatServerHandle;
let reader: Reader;
let me: Mesh;
let url = '';

beforeAll(async () => {
  chat = await startChatServer();
  reader = new Reader({
    folder: '.',
    env: cleanEnv({
      MESH_DATA: data,
      OPENAI_BASE_URL: chat.baseUrl,
      OPENAI_MODEL: 'small',
      OPENAI_API_KEY: 'a-key',
    }),
    stays: [
      ['npx mesh up', 'The mesh is up'],
      ['ten-lines/run.sh', 'inventory serves inventory.query'],
      ['chat-agent/run.sh', 'writer serves text.summarise with small'],
      ['model-agent/model.sh', 'Ctrl-C ends the mount'],
      ['model-agent/run.sh', 'headlines serves headline.write'],
    ],
  });
  const said = await reader.follow(readPage('examples/README.md'));
  url = /nats:\/\/\S+/.exec(said)?.[0] ?? '';
  me = await connect({ url, creds: credentialsFile(data, 'me') });
});

afterAll(async () => {
  await me.close();
  await reader.stop();
  await chat.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('ten lines', async () => {
  const said = await reader.follow(readPage('examples/ten-lines/README.md'));
  expect(said).toMatch(/"sku": "a-1",\s+"inStock": 12/);
});

test('an order desk', async () => {
  const said = await reader.follow(readPage('examples/order-desk/README.md'));
  expect(said).toContain('Placed, for 67.50: parcel 1: 3 × lamp to Ada.');
  expect(said).toContain('Not placed: not enough of piano in stock.');
  expect(said).toContain('Not placed: the agent fulfilment failed: the carrier does not go to the moon.');
  expect(said).toContain('Refused by the mesh [schema_violation]');
  expect(said).toContain('is back: 1 in stock.');
  expect(said).not.toContain('attempt 2');
  expect(said).toMatch(/fulfilment\.ship +fulfilment +failed/);
});

test('an agent without a key', async () => {
  const said = await reader.follow(readPage('examples/model-agent/README.md'));
  expect(said).toMatch(/llm\.chat +llm\//);
  expect(said).toContain('llm.chat used 21 promptTokens, 4 completionTokens, 25 tokens (measured)');
  expect(chat.asked.at(-1)).toMatchObject({ authorization: 'Bearer a-key', model: 'small' });
});

describe('an agent around a model', () => {
  const outcome = (text: string, options: object = {}) =>
    me
      .callForOutcome<{ summary: string; model: string }>('text.summarise', { text }, options)
      .catch((err: MeshError) => err);

  test('answers as its page says', async () => {
    const said = await reader.follow(readPage('examples/chat-agent/README.md'));
    expect(said).toMatch(/"summary": "The mesh proves who"/);
    expect(said).toMatch(/"Nothing"[^]*" is"[^]*" sent"[^]*" to"[^]*"summary": "Nothing is sent to"/);
  });

  test('gives the words to a caller that listens while the server is still at it', async () => {
    chat.mood = 'pauses';
    const stream = me.stream<{ summary: string }>('text.summarise', { text: 'one two three' });
    const heard: unknown[] = [];
    for await (const { n, value } of stream) {
      heard.push([n, value]);
      chat.goOn(); // what was heard until here came before the end of the answer
    }
    const words = ['one', ' two', ' three'];
    expect(heard).toEqual(words.map((text, i) => [i + 1, { text }]));
    expect((await stream.outcome).value.summary).toBe(words.join(''));
    chat.mood = 'answers';
  });

  test('speaks the protocol, and reports what the server counted', async () => {
    const said = await outcome('größer — als ein Byte');
    expect(said).toMatchObject({ value: { summary: 'größer — als ein', model: 'small-2026' } });
    expect(chat.asked.at(-1)).toMatchObject({
      authorization: 'Bearer a-key',
      model: 'small',
      stream: true,
      messages: [{ role: 'system' }, { role: 'user', content: 'größer — als ein Byte' }],
    });
    const { name, seed } = loadCredentials(credentialsFile(data, 'operator'));
    const nc = await connectBroker({ url, name, seed });
    const call = (said as { call: string }).call;
    const page = await until(async () => {
      const found = await ask<CallPage>(nc, 'view.operator.call', { call });
      return found.calls?.[0]?.outcome === undefined ? undefined : found;
    });
    await nc.close();
    expect(page.calls[0]?.outcome?.reported).toEqual({ promptTokens: 21, completionTokens: 4 });
  });

  test.each([
    ['refuses', /429.*too many requests/],
    ['breaks off', /ended before it was done/],
    ['says an error', /the model fell over/],
  ] as const)('a server that %s is an error that says so', async (mood, sentence) => {
    chat.mood = mood;
    const said = await outcome('one two');
    expect(said).toMatchObject({ code: 'handler_failed', status: 'failed' });
    expect((said as MeshError).sentence).toMatch(sentence);
  });

  test('a cancelled call ends the request of a server that is silent', async () => {
    chat.mood = 'is silent';
    const [left, asked] = [chat.left, chat.asked.length];
    const stop = new AbortController();
    const waiting = outcome('one two', { signal: stop.signal, id: newCallId() });
    await until(() => chat.asked.length > asked);
    stop.abort();
    expect(await waiting).toMatchObject({ status: 'cancelled' });
    await until(() => chat.left > left);
  });

  test('nonsense does not reach the server', async () => {
    const asked = chat.asked.length;
    expect(await outcome('')).toMatchObject({ code: 'schema_violation', status: 'refused' });
    expect(chat.asked).toHaveLength(asked);
  });
});

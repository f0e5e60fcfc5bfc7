/** A model behind the mesh: what its provider says is what a call used, and what it does not say is bounded. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { mountLlm, type LlmOptions, type MountedLlm } from '../../src/adapters/llm/mount.js';
import { newCallId, type Mesh, type MeshError, type Outcome } from '../../src/agent/index.js';
import type { NatsConnection } from '../../src/fabric/connection.js';
import type { OutcomeRecord } from '../../src/wire/generated/messages.js';
import { limits } from '../../src/wire/limits.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';
import { startModelProvider, wordAt, type Counted, type ModelProvider } from '../support/model-provider.js';
import { outcomeIn } from '../support/outcomes.js';

const policy = `version: 1
roles:
  everything: { call: ['>'], mayRoot: true }
  worker: { serve: ['>'], call: ['>'] }
members:
  alice: [everything]
  llm: [worker]
  liar: [worker]
  cut: [worker]
meters: [llm, cut]
`;
const KEY = 'sk-a-secret-key';
const MAX_TOKENS = 200;
const ZERO = { promptTokens: 0, completionTokens: 0, tokens: 0 };

let mesh: TestMesh;
let provider: ModelProvider;
let alice: Mesh;
let gateway: NatsConnection;
const mounts: MountedLlm[] = [];

beforeAll(async () => {
  provider = await startModelProvider();
  const users = { alice: 'caller', llm: 'agent', liar: 'agent', cut: 'agent' } as const;
  mesh = await startTestMesh({ policy, users });
  [alice, gateway] = await Promise.all([mesh.connect('alice'), mesh.broker('gateway')]);
  await mount('llm', {});
  await mount('cut', { capability: 'cut.chat', finishMs: 0 });
});
afterEach(() => (provider.mode = 'normal'));
afterAll(async () => {
  await Promise.all(mounts.map((one) => one.close()));
  await mesh.stop();
  await provider.stop();
});

async function mount(name: string, more: Partial<LlmOptions>): Promise<void> {
  const options: LlmOptions = {
    capability: 'llm.chat',
    model: 'small',
    provider: 'test',
    baseUrl: provider.baseUrl,
    key: KEY,
    maxTokens: MAX_TOKENS,
    finishMs: 5_000,
    tokensField: 'max_tokens',
    ...more,
  };
  mounts.push(await mountLlm(await mesh.connect(name), options));
}

interface Completion {
  readonly model: string;
  readonly choices: readonly { readonly message: { readonly content: string }; finish_reason: string }[];
  readonly usage?: object;
}

const bodyOf = (content: string): object => ({ messages: [{ role: 'user', content }] });
const contentOf = (words: number): string => Array.from({ length: words }, (_, i) => wordAt(i)).join('');

/** Call, and say what stands in the register and what the provider counted. */
async function call(
  content: string,
  {
    capability = 'llm.chat',
    ...options
  }: { capability?: string; timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<{ said: Outcome<Completion> | MeshError; record: OutcomeRecord; counted: Counted }> {
  const id = newCallId();
  const said = await alice
    .callForOutcome<Completion>(capability, bodyOf(`id=${id} ${content}`), { id, ...options })
    .catch((err: MeshError) => err);
  const record = await outcomeIn(gateway, 'alice', id);
  return { said, record, counted: provider.counted.get(id) as Counted };
}

function usedBy({ promptTokens, completionTokens, cachedTokens }: Counted): object {
  const cached = cachedTokens === 0 ? {} : { cachedTokens };
  return { promptTokens, completionTokens, tokens: promptTokens + completionTokens, ...cached };
}

describe('a model', () => {
  test('answers, and its usage is that of the provider', async () => {
    const { said, record, counted } = await call('words=5 seed=3');
    expect(said).toMatchObject({
      agent: 'llm',
      value: {
        object: 'chat.completion',
        model: 'small-2026',
        choices: [{ message: { role: 'assistant', content: contentOf(5) }, finish_reason: 'stop' }],
      },
    });
    expect(counted).toMatchObject({
      model: 'small',
      headers: { authorization: `Bearer ${KEY}` },
      body: { stream: true, stream_options: { include_usage: true }, max_tokens: MAX_TOKENS },
    });
    expect(record.measured).toEqual(usedBy(counted));
    expect(record).not.toHaveProperty('reported');
    expect(record).not.toHaveProperty('bounded');
  });

  test('gives its chunks in order to whoever listens, at the pace of the reader', async () => {
    const stream = alice.stream<Completion>('llm.chat', bodyOf('words=40 id=paced'), { window: 2 });
    const heard: string[] = [];
    for await (const { value } of stream) {
      const [choice] = (value as { choices: { delta: { content?: string } }[] }).choices;
      heard.push(choice?.delta.content ?? '');
      const ahead = (provider.counted.get('paced')?.completionTokens ?? 0) > 0;
      expect(ahead).toBe(true);
    }
    expect(heard.join('')).toBe(contentOf(40));
    expect((await stream.outcome).value.choices[0]?.message.content).toBe(contentOf(40));
  });

  test('that does not stream answers all the same', async () => {
    const { said, record, counted } = await call('mode=plain words=3');
    expect(said).toMatchObject({ value: { choices: [{ message: { content: contentOf(3) } }] } });
    expect(record.measured).toEqual(usedBy(counted));
  });

  test.each([
    ['another model', { ...bodyOf('x'), model: 'large' }, 'provider_refused'],
    ['a longer answer than is allowed', { ...bodyOf('x'), max_tokens: MAX_TOKENS + 1 }, 'provider_refused'],
    ['what nobody has counted', { ...bodyOf('x'), service_tier: 'priority' }, 'schema_violation'],
    [
      'pictures',
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }] },
      'schema_violation',
    ],
    ['no messages', { messages: [] }, 'schema_violation'],
    ['a fraction of a token', { ...bodyOf('x'), max_tokens: 1.5 }, 'schema_violation'],
    ['less than nothing', { ...bodyOf('x'), max_tokens: -1 }, 'schema_violation'],
  ])('is not asked for %s', async (_, body, code) => {
    const asked = provider.counted.size;
    const id = newCallId();
    const err = await alice.call('llm.chat', body, { id }).catch((thrown: MeshError) => thrown);
    expect(err).toMatchObject({ code });
    expect(provider.counted.size).toBe(asked);
    // It never ran: a refusal has no usage, and a failure says zero.
    const { measured = ZERO } = await outcomeIn(gateway, 'alice', id);
    expect(measured).toEqual(ZERO);
  });
});

/** The bound of a call of this body: bytes of the request, and the longest answer. */
function boundOf(counted: Counted): object {
  const promptTokens = Buffer.byteLength(JSON.stringify(counted.body)) + limits.llmPromptTokens;
  return { promptTokens, completionTokens: MAX_TOKENS, tokens: promptTokens + MAX_TOKENS };
}

describe('a provider that', () => {
  test.each([
    '-5',
    '1.5',
    '1e308',
    '1e999',
    '"12"',
    'null',
    '9007199254740993',
    '100000001',
    '{}',
    '[]',
    'true',
  ])('says %s tokens is not believed: the bound counts', async (lie) => {
    const { said, record, counted } = await call(`mode=lie:${lie} words=3`);
    expect(said).toMatchObject({ value: { choices: [{ message: { content: contentOf(3) } }] } });
    expect((said as Outcome<Completion>).value).not.toHaveProperty('usage');
    expect(record).toMatchObject({ status: 'completed', bounded: boundOf(counted) });
    expect(record).not.toHaveProperty('measured');
  });

  test.each([
    ['says nothing of its usage', 'no-usage', 'completed', undefined],
    ['ends the connection half-way', 'half', 'failed', 'provider_broke_off'],
    ['ends the answer half-way', 'half-quietly', 'failed', 'provider_broke_off'],
    ['says an error in the middle', 'error', 'failed', 'provider_failed'],
    ['says NaN', 'garbage', 'failed', 'provider_broke_off'],
    ['says NaN as its usage', 'lie:NaN', 'failed', 'provider_broke_off'],
    ['fails', 'broken', 'failed', 'provider_failed'],
  ] as const)('%s: the bound counts', async (_, mode, status, code) => {
    const { record, counted } = await call(`mode=${mode} words=6`);
    expect(record).toMatchObject({ status, bounded: boundOf(counted) });
    expect(record.code).toBe(code);
  });

  test.each([
    ['takes no more now', 'rate-limit', 'provider_busy', 'later'],
    ['is overloaded', 'overloaded', 'provider_busy', 'later'],
    ['has no money left', 'quota', 'provider_refused', 'never'],
    ['does not know the key', 'bad-key', 'provider_refused', 'never'],
    ['refuses the request', 'bad-request', 'provider_refused', 'never'],
  ] as const)('%s has used nothing, and says so', async (_, mode, code, retry) => {
    const { said, record } = await call(`mode=${mode}`);
    expect(said).toMatchObject({ code, retry, status: 'failed' });
    expect(record.measured).toEqual(ZERO);
    const wait = mode === 'rate-limit' ? 7_000 : undefined;
    expect((said as MeshError).details['retry_after_ms']).toBe(wait);
    expect(record.retryAfterMs).toBe(wait);
    expect(JSON.stringify((said as MeshError).toBody())).not.toContain(KEY);
  });

  test('is not there has used nothing', async () => {
    const gone = await startModelProvider();
    await gone.stop();
    await mount('liar', { capability: 'away.chat', baseUrl: gone.baseUrl });
    const { said, record } = await call('x', { capability: 'away.chat' });
    expect(said).toMatchObject({ code: 'provider_busy', retry: 'later' });
    // No meter: its zero is only its word.
    expect(record.reported).toEqual(ZERO);
    expect(record).not.toHaveProperty('measured');
  });

  test.each(['silent', 'stuck'])('is %s is left at the deadline, and the bound counts', async (mode) => {
    const { said, record, counted } = await call(`mode=${mode}`, { timeoutMs: 700 });
    expect(said).toMatchObject({ code: 'provider_broke_off', status: 'failed' });
    expect(record.bounded).toEqual(boundOf(counted));
    await until(() => counted.left);
  });

  test('is slow is heard a moment longer than the deadline', async () => {
    const { record, counted } = await call('words=10 pace=70', { timeoutMs: 600 });
    expect(record.status).toBe('completed');
    expect(record.measured).toEqual(usedBy(counted));
  });
});

describe('a cancelled call', () => {
  async function cancelled(content: string, capability: string) {
    const id = newCallId();
    const stop = new AbortController();
    const body = bodyOf(`id=${id} ${content}`);
    const waiting = alice.call(capability, body, { id, signal: stop.signal }).catch((err: MeshError) => err);
    const counted = await until(() => {
      const one = provider.counted.get(id);
      return one !== undefined && one.completionTokens > 2 ? one : undefined;
    });
    stop.abort();
    expect(await waiting).toMatchObject({ code: 'cancelled', status: 'cancelled' });
    return { record: await outcomeIn(gateway, 'alice', id), counted };
  }

  test('reads on until the provider has said its usage', async () => {
    const { record, counted } = await cancelled('words=20 pace=10', 'llm.chat');
    expect(counted).toMatchObject({ finished: true, left: false });
    expect(record).toMatchObject({ status: 'cancelled', measured: usedBy(counted) });
  });

  test('ends the request of a provider at once where that is asked for, and the bound counts', async () => {
    const { record, counted } = await cancelled('words=100 pace=50', 'cut.chat');
    expect(record).toMatchObject({ status: 'cancelled', bounded: boundOf(counted) });
    await until(() => counted.left);
    expect(counted.finished).toBe(false);
  });

  test('does not take a usage for the whole that was said on the way', async () => {
    const { record, counted } = await cancelled('words=100 pace=50 mode=running-usage', 'cut.chat');
    expect(record.bounded).toEqual(boundOf(counted));
  });
});

test('a usage that was said all along is taken at the end', async () => {
  const { record, counted } = await call('words=5 mode=running-usage');
  expect(record.measured).toEqual(usedBy(counted));
});

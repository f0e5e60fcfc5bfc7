/**
 * The mesh as a provider of models, for the official client library of OpenAI: completions, streams, refusals; and that
 * what is settled is what the provider counted, aborted streams included. MODEL_CALLS says how many calls that takes.
 */
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mountLlm, type MountedLlm } from '../../src/adapters/llm/mount.js';
import { getBySeq } from '../../src/fabric/reader.js';
import type { DecisionRecord } from '../../src/wire/generated/messages.js';
import { header } from '../../src/wire/headers.js';
import { LlmDoor } from '../../src/adapters/serve-llm/door.js';
import type { NatsConnection } from '../../src/fabric/connection.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';
import { startModelProvider, wordAt, type Counted, type ModelProvider } from '../support/model-provider.js';
import { outcomeIn } from '../support/outcomes.js';
import { seeded } from '../support/random.js';

const policy = `version: 1
roles:
  everything: { call: ['>'], mayRoot: true }
  narrow: { call: ['other.thing'], mayRoot: true }
  worker: { serve: ['>'] }
members:
  alice: [everything]
  bob: [narrow]
  carol: [everything]
  llm: [worker]
  plain: [worker]
meters: [llm]
prices:
  small: { promptTokens: 0.15 USD, cachedTokens: 0.075 USD, completionTokens: 0.60 USD }
budgets:
  default: { window: day, limit: { micros: 1000.00 USD, tokens: 1_000_000_000 } }
  reserve:
    '>': { micros: 10_000, tokens: 10_000 }
  limits:
    - { on: principal, who: [carol], window: day, limit: { tokens: 5_000 } }
`;
const CALLS = Number(process.env['MODEL_CALLS'] ?? 60);
const tokens = new Map([
  ['key-a', 'alice'],
  ['key-b', 'bob'],
  ['key-c', 'alice'],
  ['key-d', 'carol'],
]);

let mesh: TestMesh;
let provider: ModelProvider;
let door: LlmDoor;
let mounted: MountedLlm;
let gateway: NatsConnection;
let openai: OpenAI;

beforeAll(async () => {
  provider = await startModelProvider();
  const users = { alice: 'caller', bob: 'caller', carol: 'caller', llm: 'agent', plain: 'agent' } as const;
  mesh = await startTestMesh({ policy, users });
  gateway = await mesh.broker('gateway');
  mounted = await mountLlm(await mesh.connect('llm', { concurrency: 64 }), {
    capability: 'llm.chat',
    model: 'small',
    provider: 'test',
    baseUrl: provider.baseUrl,
    key: 'sk-secret',
    maxTokens: 200,
    finishMs: 10_000,
    tokensField: 'max_tokens',
  });
  door = await LlmDoor.open({
    host: '127.0.0.1',
    port: 0,
    allowed: { hosts: [], origins: [] },
    who: (bearer) => tokens.get(bearer),
    join: (user) => mesh.connect(user),
  });
  openai = clientWith('key-a');
});
afterAll(async () => {
  await door.close();
  await mounted.close();
  await mesh.stop();
  await provider.stop();
});

function clientWith(apiKey: string): OpenAI {
  return new OpenAI({ apiKey, baseURL: door.url, maxRetries: 0 });
}

const ask = (content: string) => ({ model: 'llm.chat', messages: [{ role: 'user' as const, content }] });
const contentOf = (words: number): string => Array.from({ length: words }, (_, i) => wordAt(i)).join('');
const usedBy = ({ promptTokens, completionTokens, cachedTokens }: Counted): object => ({
  promptTokens,
  completionTokens,
  tokens: promptTokens + completionTokens,
  ...(cachedTokens === 0 ? {} : { cachedTokens }),
});

/** What the provider would bill, worked out in another way than the mesh does: in tenths of a nano-dollar. */
function billOf({ promptTokens, cachedTokens, completionTokens }: Counted): {
  tokens: number;
  micros: number;
} {
  const thousandths = (promptTokens - cachedTokens) * 150 + cachedTokens * 75 + completionTokens * 600;
  return { tokens: promptTokens + completionTokens, micros: Math.ceil(thousandths / 1_000) };
}

describe('the official client', () => {
  test('gets a completion, and the provider key is not its business', async () => {
    const { data, response } = await openai.chat.completions.create(ask('id=whole words=4')).withResponse();
    expect(data.choices[0]?.message.content).toBe(contentOf(4));
    const counted = provider.counted.get('whole');
    expect(data.usage?.completion_tokens).toBe(counted?.completionTokens);
    expect(counted?.headers.authorization).toBe('Bearer sk-secret');
    const record = await outcomeIn(gateway, 'alice', response.headers.get('x-mesh-call') ?? '');
    expect(record).toMatchObject({ status: 'completed', agent: 'llm', measured: usedBy(counted as Counted) });
  });

  test('reads a stream while the model is still at it, with the usage at its end', async () => {
    const stream = await openai.chat.completions.create({
      ...ask('id=stream words=6 pace=20'),
      stream: true,
      stream_options: { include_usage: true },
    });
    let [text, early] = ['', false];
    let usage: unknown;
    for await (const chunk of stream) {
      early ||= provider.counted.get('stream')?.finished === false;
      text += chunk.choices[0]?.delta.content ?? '';
      usage = chunk.usage ?? usage;
    }
    expect(text).toBe(contentOf(6));
    expect(early).toBe(true);
    const completionTokens = provider.counted.get('stream')?.completionTokens;
    expect(usage).toMatchObject({ completion_tokens: completionTokens });
  });

  test('reads one chunk of an agent that gives no parts', async () => {
    const agent = await mesh.connect('plain');
    const { outputSchema } = await import('../../src/adapters/llm/contract.js');
    const message = { role: 'assistant', content: 'all at once' };
    const value = { object: 'chat.completion', model: 'own', choices: [{ index: 0, message }] };
    await agent.serve('own.chat', { output: outputSchema }, () => value);
    const stream = await openai.chat.completions.create({ ...ask('x'), model: 'own.chat', stream: true });
    const texts: unknown[] = [];
    for await (const chunk of stream) {
      texts.push(chunk.choices[0]?.delta.content);
    }
    expect(texts).toEqual(['all at once']);
  });

  test('is told its models: those that its user may call', async () => {
    const list = async (client: OpenAI): Promise<string[]> => {
      const { data } = await client.models.list();
      return data.map(({ id }) => id);
    };
    expect(await list(openai)).toContain('llm.chat');
    expect(await list(clientWith('key-b'))).toEqual([]);
    expect((await openai.models.retrieve('llm.chat')).id).toBe('llm.chat');
    await expect(openai.models.retrieve('llm.none')).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  });

  test.each([
    ['a key that nobody has', 'nobody', ask('x'), OpenAI.AuthenticationError, 'token_unknown'],
    ['a model that is not granted', 'key-b', ask('x'), OpenAI.PermissionDeniedError, 'not_granted'],
    ['a model that is none', 'key-a', { ...ask('x'), model: 'GPT 4' }, OpenAI.NotFoundError, 'not_found'],
    ['a body that does not fit', 'key-a', { ...ask('x'), n: 0 }, OpenAI.BadRequestError, 'schema_violation'],
    [
      'a longer answer than is allowed',
      'key-a',
      { ...ask('x'), max_tokens: 9_999 },
      OpenAI.BadRequestError,
      'provider_refused',
    ],
    ['a provider that is busy', 'key-a', ask('mode=rate-limit'), OpenAI.RateLimitError, 'provider_busy'],
    ['a provider that fails', 'key-a', ask('mode=broken'), OpenAI.InternalServerError, 'provider_failed'],
  ] as const)('is told of %s in its own words', async (_, key, body, kind, code) => {
    for (const stream of [false, true]) {
      const err = await clientWith(key)
        .chat.completions.create({ ...body, messages: [...body.messages], stream })
        .then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
      expect(err).toBeInstanceOf(kind);
      expect(err).toMatchObject({ code });
    }
  });

  test('says what its call may spend', async () => {
    const headers = { 'Mesh-Budget': 'micros=0.05 USD, tokens=20_000' };
    for (const stream of [false, true]) {
      const { data, response } = await openai.chat.completions
        .create({ ...ask('words=4'), stream }, { headers })
        .withResponse();
      if (Symbol.asyncIterator in data) {
        await data.toReadableStream().cancel(); // what it says is not looked at
      }
      const call = response.headers.get('x-mesh-call') ?? '';
      const { seq } = await outcomeIn(gateway, 'alice', call);
      const stored = await getBySeq(gateway, 'DECISIONS', seq ?? 0);
      const { budget } = JSON.parse(stored?.headers.get(header.record) ?? '{}') as DecisionRecord;
      const allowed = { micros: 50_000, tokens: 20_000 };
      expect(budget).toMatchObject({ allowed, reserve: { micros: 10_000, tokens: 10_000 } });
    }
  });

  test('may spend what its user may, whatever it says', async () => {
    const spend = (budget: string, key = 'key-d'): Promise<unknown> =>
      clientWith(key)
        .chat.completions.create(ask('words=4'), { headers: { 'Mesh-Budget': budget } })
        .catch((err: unknown) => err);
    for (const budget of ['tokens=20_000', 'tokens=9007199254740991', 'micros=1.00 USD']) {
      expect(await spend(budget)).toMatchObject({ status: 429, code: 'budget_exceeded' });
    }
    expect(await spend('tokens=20_000', 'key-a')).toMatchObject({ object: 'chat.completion' });
    // Less than a request reserves is no limit that anybody could keep.
    expect(await spend('tokens=9_999', 'key-a')).toMatchObject({ status: 429, code: 'budget_exceeded' });
  });

  test.each([
    ['nothing', ''],
    ['a bare number', '100'],
    ['a unit that nobody knows', 'euros=5'],
    ['a negative amount', 'micros=-1'],
    ['a fraction', 'tokens=0.5'],
    ['a number without end', 'tokens=1e308'],
    ['none at all', 'tokens=NaN'],
    ['more than can be counted', 'tokens=9007199254740992'],
    ['a unit twice', 'tokens=1,tokens=2'],
  ])('is told that %s is no budget, and no call is made', async (_, budget) => {
    const res = await fetch(`${door.url}/chat/completions`, {
      method: 'POST',
      headers: { authorization: 'Bearer key-a', 'mesh-budget': budget },
      body: JSON.stringify(ask('x')),
    });
    expect([res.status, res.headers.get('x-mesh-call')]).toEqual([400, null]);
    const { error } = (await res.json()) as { error: { message: string } };
    expect(error).toMatchObject({ code: 'header_invalid', type: 'input', param: null });
    expect(error.message).toContain('Mesh-Budget');
  });

  test('is told when to come again', async () => {
    const err = (await openai.chat.completions.create(ask('mode=rate-limit')).catch((e: unknown) => e)) as {
      headers: Headers;
    };
    expect(err.headers.get('retry-after')).toBe('7');
    expect(err.headers.get('x-should-retry')).toBe('true');
  });

  test('hears that a stream broke off, in the middle of it', async () => {
    const stream = await openai.chat.completions.create({
      ...ask('mode=half words=8 pace=20'),
      stream: true,
    });
    let heard = 0;
    const read = async (): Promise<void> => {
      for await (const _ of stream) {
        heard++;
      }
    };
    await expect(read()).rejects.toMatchObject({ code: 'provider_broke_off' });
    expect(heard).toBeGreaterThan(0);
  });

  test('that leaves cancels its call', async () => {
    const stop = new AbortController();
    const waiting = openai.chat.completions.create(ask('id=left words=30 pace=20'), { signal: stop.signal });
    waiting.catch(() => undefined);
    await until(() => (provider.counted.get('left')?.completionTokens ?? 0) > 0);
    stop.abort();
    await expect(waiting).rejects.toBeInstanceOf(OpenAI.APIUserAbortError);
    await until(() => provider.counted.get('left')?.finished);
  });

  test('whose key is taken back loses what it has begun', async () => {
    const stream = await clientWith('key-c').chat.completions.create({
      ...ask('words=40 pace=25'),
      stream: true,
    });
    tokens.delete('key-c');
    const read = async (): Promise<void> => {
      for await (const _ of stream) {
        // until it ends
      }
    };
    await expect(read()).rejects.toMatchObject({ code: 'cancelled' });
  });
});

test.each([
  ['a foreign host', { host: 'evil.example.com' }, 403],
  ['a foreign origin', { origin: 'https://evil.example.com' }, 403],
])('%s is not served', async (_, headers, status) => {
  const { request } = await import('node:http');
  const { hostname, port } = new URL(door.url);
  const got = await new Promise<number>((resolve, reject) => {
    const all = { authorization: 'Bearer key-a', ...headers };
    const req = request({ hostname, port, path: '/v1/models', headers: all }, (res) => {
      res.resume();
      resolve(res.statusCode ?? 0);
    });
    req.on('error', reject);
    req.end();
  });
  expect(got).toBe(status);
});

test.each([
  ['/v1/chat/completions', 'GET', undefined, 405],
  ['/v1/models', 'POST', '{}', 405],
  ['/v1/embeddings', 'POST', '{}', 404],
  ['/v1/chat/completions', 'POST', '{"model":', 400],
  ['/v1/chat/completions', 'POST', '[]', 400],
  ['/v1/chat/completions', 'POST', 'a'.repeat(2_100_000), 413],
])('%s asked with %s is refused, case %#', async (path, method, body, status) => {
  const headers = { authorization: 'Bearer key-a' };
  const { status: got } = await fetch(new URL(path, door.url), {
    method,
    headers,
    ...(body === undefined ? {} : { body }),
  });
  expect(got).toBe(status);
});

test(
  `tokens settled are those of the provider in ${CALLS} of ${CALLS} calls`,
  { timeout: 600_000 },
  async () => {
    const seed = Number(process.env['MODEL_SEED'] ?? Date.now() % 1_000_000);
    const random = seeded(seed);
    const plans = Array.from({ length: CALLS }, (_, i) => ({
      id: `many-${i}`,
      words: 1 + Math.floor(random() * 14),
      pace: Math.floor(random() * 4),
      kind: (['whole', 'stream', 'aborted'] as const)[i % 3] ?? 'whole',
      after: Math.floor(random() * 6),
    }));
    const wrong: unknown[] = [];
    const statuses: Record<string, number> = {};
    let next = 0;
    const work = async (): Promise<void> => {
      for (let plan = plans[next++]; plan !== undefined; plan = plans[next++]) {
        const call = await run(plan);
        const { status, measured, charged } = await outcomeIn(gateway, 'alice', call);
        const counted = provider.counted.get(plan.id) as Counted;
        const { tokens, micros } = charged?.amounts ?? {};
        const settled =
          charged?.by === 'measured' &&
          tokens === billOf(counted).tokens &&
          micros === billOf(counted).micros;
        statuses[`${plan.kind} ${status}`] = (statuses[`${plan.kind} ${status}`] ?? 0) + 1;
        if (!settled || JSON.stringify(measured) !== JSON.stringify(usedBy(counted)) || !counted.finished) {
          wrong.push({ plan, status, measured, charged, counted });
        }
      }
    };
    await Promise.all(Array.from({ length: 16 }, work));
    console.log(`models: seed ${seed}, ${JSON.stringify(statuses)}`);
    expect(wrong).toEqual([]);
    expect(statuses['aborted cancelled']).toBeGreaterThan(CALLS / 10); // most aborts came before the end
  },
);

/** Make one call as planned; its id. */
async function run(plan: {
  id: string;
  words: number;
  pace: number;
  kind: string;
  after: number;
}): Promise<string> {
  const body = ask(`id=${plan.id} words=${plan.words} pace=${plan.pace} seed=${plan.words}`);
  if (plan.kind === 'whole') {
    const { response } = await openai.chat.completions.create(body).withResponse();
    return response.headers.get('x-mesh-call') ?? '';
  }
  const { data, response } = await openai.chat.completions.create({ ...body, stream: true }).withResponse();
  let heard = 0;
  for await (const _ of data) {
    if (plan.kind === 'aborted' && heard++ >= plan.after) {
      break; // the client ends the request
    }
  }
  return response.headers.get('x-mesh-call') ?? '';
}

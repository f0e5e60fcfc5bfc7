/**
 * A model provider that is none, over real HTTP: it speaks the chat completions protocol, counts the tokens of every
 * request by itself, and misbehaves in known ways. What it counted is what a real one would bill.
 *
 * A request may say in its last message what becomes of it: `words=12 mode=half pace=5` (words of the answer, a mode,
 * ms between two chunks), and `seed=7` by which the tokens of each chunk are drawn.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { seeded } from './random.js';

/** What it does with a request. */
export type ProviderMode =
  | 'normal'
  | 'plain' // does not stream
  | 'no-usage' // streams, and never says what was used
  | 'running-usage' // says it with every chunk
  | 'half' // ends the connection half-way
  | 'half-quietly' // ends the answer half-way as if it were whole
  | 'error' // says an error in the middle
  | 'garbage' // says what is no JSON
  | 'silent' // takes the request and never answers
  | 'stuck' // begins, and never goes on
  | 'rate-limit'
  | 'quota'
  | 'broken'
  | 'overloaded'
  | 'bad-key'
  | 'bad-request'
  | `lie:${string}`; // says this JSON as the number of completion tokens

/** One request, as the provider counted it. */
export interface Counted {
  readonly model: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly headers: IncomingMessage['headers'];
  readonly promptTokens: number;
  readonly cachedTokens: number;
  /** Generated so far. */
  completionTokens: number;
  /** It came to its end; else its client left before, or it broke. */
  finished: boolean;
  /** Its client has left before the end. */
  left: boolean;
}

/** A provider that runs. */
export interface ModelProvider {
  readonly baseUrl: string;
  /** Requests by what the last message says after `id=`, or in their order. */
  readonly counted: Map<string, Counted>;
  mode: ProviderMode;
  stop(): Promise<void>;
}

interface Wish {
  readonly id: string;
  readonly mode: ProviderMode;
  readonly words: number;
  readonly paceMs: number;
  readonly random: () => number;
}

/** Start it on a free port of loopback. */
export async function startModelProvider(): Promise<ModelProvider> {
  const server = createServer((req, res) => {
    serve(handle, req, res).catch(() => res.destroy());
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const handle: ModelProvider = {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    counted: new Map(),
    mode: 'normal',
    stop: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
  return handle;
}

async function serve(handle: ModelProvider, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) {
    chunks.push(chunk as Buffer);
  }
  if (req.method !== 'POST' || req.url !== '/v1/chat/completions') {
    return refuse(res, 404, 'no such path');
  }
  const text = Buffer.concat(chunks).toString();
  const body = JSON.parse(text) as Counted['body'];
  const wish = wishOf(handle, body);
  const promptTokens = 3 + Math.ceil(Buffer.byteLength(JSON.stringify(body['messages'])) / 4);
  const counted: Counted = {
    model: String(body['model']),
    body,
    headers: req.headers,
    promptTokens,
    cachedTokens: Math.floor(promptTokens * wish.random() * 0.5),
    completionTokens: 0,
    finished: false,
    left: false,
  };
  handle.counted.set(wish.id, counted);
  res.on('close', () => (counted.left = !res.writableFinished));
  await ANSWERS[wish.mode.split(':')[0] ?? '']?.(res, counted, wish);
}

function wishOf(handle: ModelProvider, { messages }: Counted['body']): Wish {
  const last = (messages as readonly { content?: unknown }[]).at(-1)?.content;
  const said = typeof last === 'string' ? last : JSON.stringify(last);
  const word = (name: string): string | undefined => new RegExp(`\\b${name}=(\\S+)`).exec(said)?.[1];
  return {
    id: word('id') ?? String(handle.counted.size),
    mode: (word('mode') ?? handle.mode) as ProviderMode,
    words: Number(word('words') ?? 4),
    paceMs: Number(word('pace') ?? 0),
    random: seeded(Number(word('seed') ?? 1)),
  };
}

type Answering = (res: ServerResponse, counted: Counted, wish: Wish) => Promise<void> | void;

const ANSWERS: Readonly<Record<string, Answering>> = {
  normal: (res, counted, wish) => stream(res, counted, wish, {}),
  plain,
  'no-usage': (res, counted, wish) => stream(res, counted, wish, { usage: () => undefined }),
  'running-usage': (res, counted, wish) => stream(res, counted, wish, { running: true }),
  half: (res, counted, wish) => stream(res, counted, wish, { stopAt: 'half', end: () => res.destroy() }),
  'half-quietly': (res, counted, wish) =>
    stream(res, counted, wish, { stopAt: 'half', end: () => res.end() }),
  error: (res, counted, wish) =>
    stream(res, counted, wish, {
      stopAt: 'half',
      end: () => res.end('data: {"error":{"message":"the model fell over"}}\n\n'),
    }),
  garbage: (res, counted, wish) =>
    stream(res, counted, wish, { stopAt: 'half', end: () => res.end('data: {"choices": NaN}\n\n') }),
  silent: () => undefined,
  stuck: (res, counted, wish) => stream(res, counted, wish, { stopAt: 'half', end: () => undefined }),
  'rate-limit': (res) => refuse(res, 429, 'slow down', { 'retry-after': '7' }),
  quota: (res) => refuse(res, 429, 'you have no money left', {}, 'insufficient_quota'),
  broken: (res) => refuse(res, 500, 'something went wrong'),
  overloaded: (res) => refuse(res, 503, 'overloaded'),
  'bad-key': (res, { headers }) => refuse(res, 401, `incorrect key: ${headers.authorization ?? ''}`),
  'bad-request': (res, { headers }) =>
    refuse(res, 400, `the context is too long, said ${headers.authorization ?? ''}`),
  lie: (res, counted, wish) =>
    stream(res, counted, wish, {
      usage: () => `{"prompt_tokens":${counted.promptTokens},"completion_tokens":${wish.mode.slice(4)}}`,
    }),
};

function refuse(res: ServerResponse, status: number, message: string, headers = {}, code?: string): void {
  res.writeHead(status, { 'content-type': 'application/json', ...headers });
  res.end(JSON.stringify({ error: { message, code } }));
}

/** The usage, as the provider says it. */
export function usageOf({ promptTokens, completionTokens, cachedTokens }: Counted): object {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  };
}

interface How {
  /** The usage at the end, as JSON; undefined: none. */
  readonly usage?: () => string | undefined;
  readonly running?: boolean;
  readonly stopAt?: 'half';
  readonly end?: () => void;
}

async function stream(res: ServerResponse, counted: Counted, wish: Wish, how: How): Promise<void> {
  const said = how.usage ?? (() => JSON.stringify(usageOf(counted)));
  const asked = (counted.body['stream_options'] as { include_usage?: boolean } | undefined)?.include_usage;
  const usageText = (running: boolean): string =>
    running ? `,"usage":${JSON.stringify(usageOf(counted))}` : asked === true ? ',"usage":null' : '';
  const event = (choices: unknown[], usage: string): string =>
    `data: {"id":"c-${wish.id}","object":"chat.completion.chunk","created":1700000000,"model":"${counted.model}-2026","choices":${JSON.stringify(choices)}${usage}}\n\n`;
  res.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  res.write(': a comment keeps the line open\n\n');
  const words = how.stopAt === 'half' ? Math.ceil(wish.words / 2) : wish.words;
  for (let i = 0; i < words && !res.destroyed; i++) {
    counted.completionTokens += 1 + Math.floor(wish.random() * 3);
    const role = i === 0 ? { role: 'assistant' } : {};
    const delta = { ...role, content: wordAt(i) };
    await write(res, event([{ index: 0, delta, finish_reason: null }], usageText(how.running === true)));
    if (wish.paceMs > 0) {
      await new Promise((next) => setTimeout(next, wish.paceMs));
    }
  }
  if (how.end !== undefined) {
    return how.end();
  }
  const end = event([{ index: 0, delta: {}, finish_reason: 'stop' }], usageText(how.running === true));
  const usage = asked === true && how.running !== true ? said() : undefined;
  const tail = usage === undefined ? '' : event([], `,"usage":${usage}`);
  counted.finished = !res.destroyed;
  await write(res, `${end}${tail}data: [DONE]\n\n`);
  res.end();
}

function plain(res: ServerResponse, counted: Counted, wish: Wish): void {
  const words = Array.from({ length: wish.words }, (_, i) => wordAt(i));
  counted.completionTokens = wish.words;
  counted.finished = true;
  res.writeHead(200, { 'content-type': 'application/json' });
  res.end(
    JSON.stringify({
      id: 'c-1',
      object: 'chat.completion',
      created: 1_700_000_000,
      model: `${counted.model}-2026`,
      choices: [{ index: 0, message: { role: 'assistant', content: words.join('') }, finish_reason: 'stop' }],
      usage: usageOf(counted),
    }),
  );
}

/** The words of every answer. */
export function wordAt(i: number): string {
  return i === 0 ? 'größer' : ` w${i}`;
}

/** Cut where a network might cut: also in the middle of a letter. */
async function write(res: ServerResponse, text: string): Promise<void> {
  const bytes = Buffer.from(text);
  const cut = Math.floor(bytes.length / 2) - 1;
  res.write(bytes.subarray(0, cut));
  if (!res.write(bytes.subarray(cut))) {
    await new Promise<void>((resolve) => {
      res.once('drain', resolve);
      res.once('close', resolve);
    });
  }
}

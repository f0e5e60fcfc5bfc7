/**
 * A model server that is none: it speaks the chat completions protocol over real HTTP, and answers with the first
 * words of what it was sent. The bytes are cut where a network might cut them.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the server does with requests from now on. */
export type Mood = 'answers' | 'refuses' | 'breaks off' | 'says an error' | 'is silent' | 'pauses';

export interface Asked {
  readonly authorization: string | undefined;
  readonly model: string;
  readonly stream: boolean;
  readonly stream_options: { include_usage?: boolean };
  readonly messages: readonly { role: string; content: string }[];
}

export interface ChatServerHandle {
  readonly baseUrl: string;
  readonly asked: Asked[];
  /** Requests whose client left before the end. */
  left: number;
  mood: Mood;
  /** A server that pauses does so after the first word, until this. */
  goOn: () => void;
  stop(): Promise<void>;
}

/** Start it on a free port. */
export async function startChatServer(): Promise<ChatServerHandle> {
  const server = createServer((request, response) => void serve(handle, request, response));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const handle: ChatServerHandle = {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    asked: [],
    left: 0,
    mood: 'answers',
    goOn: () => undefined,
    stop: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
  return handle;
}

async function serve(handle: ChatServerHandle, request: IncomingMessage, response: ServerResponse) {
  const chunks: Buffer[] = [];
  for await (const chunk of request) {
    chunks.push(chunk as Buffer);
  }
  if (request.method !== 'POST' || request.url !== '/v1/chat/completions') {
    response.writeHead(404).end('{"error":{"message":"no such path"}}');
    return;
  }
  const body = JSON.parse(Buffer.concat(chunks).toString()) as Omit<Asked, 'authorization'>;
  handle.asked.push({ ...body, authorization: request.headers.authorization });
  response.on('close', () => (handle.left += response.writableFinished ? 0 : 1));
  if (handle.mood === 'refuses') {
    response.writeHead(429, { 'content-type': 'application/json' });
    response.end('{"error":{"message":"too many requests"}}');
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  response.flushHeaders();
  if (handle.mood !== 'is silent') {
    await answer(handle, body, response);
  }
}

async function answer(
  handle: ChatServerHandle,
  body: Omit<Asked, 'authorization'>,
  response: ServerResponse,
): Promise<void> {
  const { mood } = handle;
  const words = (body.messages.at(-1)?.content ?? '').split(' ').slice(0, 4);
  const model = `${body.model}-2026`;
  const event = (facts: object) =>
    `data: ${JSON.stringify({ id: 'c-1', object: 'chat.completion.chunk', model, ...facts })}\n\n`;
  const said = words.map((word, i) =>
    event({ choices: [{ index: 0, delta: { content: i === 0 ? word : ` ${word}` }, finish_reason: null }] }),
  );
  const usage = { prompt_tokens: 21, completion_tokens: words.length, total_tokens: 21 + words.length };
  const tail =
    mood === 'says an error'
      ? 'data: {"error":{"message":"the model fell over"}}\n\n'
      : event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }) +
        (body.stream_options.include_usage === true ? event({ choices: [], usage }) : '') +
        'data: [DONE]\n\n';
  const [first = '', ...others] = said;
  const pause = new Promise<void>((resolve) => (handle.goOn = resolve));
  await write(response, `: a comment keeps the line open\n\n${first}`);
  if (mood === 'pauses') {
    await pause;
  }
  await write(response, `${others.join('')}${mood === 'breaks off' ? '' : tail}`);
  response.end();
}

/** Cut also in the middle of a letter. */
async function write(response: ServerResponse, text: string): Promise<void> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += 7) {
    response.write(bytes.subarray(at, at + 7));
    await new Promise((next) => setImmediate(next));
  }
}

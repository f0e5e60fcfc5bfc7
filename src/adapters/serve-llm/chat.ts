/**
 * One request for a completion, as a call of the mesh: whole, or streamed as server-sent events at the pace at which its
 * client reads.
 */
import type { ServerResponse } from 'node:http';
import { readAmounts } from '../../agent/amounts.js';
import { meshError, type Amounts, type CallOptions, type CallStream, type Mesh } from '../../agent/index.js';
import { header } from '../../wire/headers.js';
import { isCapability } from '../../wire/names.js';

/** What a client asks for. */
export interface ChatWish {
  /** The name of a capability. */
  readonly model: string;
  /** The body of the call. */
  readonly body: object;
  readonly stream: boolean;
  /** At the end of a stream, one more chunk with the usage. */
  readonly usage: boolean;
  /** What the call and everything below it may spend. */
  readonly budget: Amounts | undefined;
}

interface Completion {
  readonly choices?: readonly {
    readonly index: number;
    readonly message: object;
    readonly finish_reason?: unknown;
  }[];
  readonly usage?: object;
}

/**
 * Read a request. `budget` is its header of that name. Throws body_undecodable, not_found (no model has such a name),
 * header_invalid.
 */
export function wishOf(value: unknown, budget: string | undefined): ChatWish {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw meshError('body_undecodable', { why: 'it is no object' });
  }
  const { model, stream, stream_options: options, ...body } = value as Record<string, unknown>;
  if (typeof model !== 'string' || !isCapability(model)) {
    const name = JSON.stringify(String(model).slice(0, 80));
    throw meshError('not_found', { what: 'the model', name });
  }
  const usage = (options as { include_usage?: unknown } | null | undefined)?.include_usage === true;
  const allowed = budget === undefined ? undefined : readAmounts(budget, header.budget);
  return { model, body, stream: stream === true, usage, budget: allowed };
}

/** Make the call and answer with its completion. Throws what the call ends with. */
export async function answerWhole(
  mesh: Mesh,
  wish: ChatWish,
  options: CallOptions,
  res: ServerResponse,
): Promise<void> {
  const { value, call } = await mesh.callForOutcome(wish.model, wish.body, options);
  res.writeHead(200, { 'content-type': 'application/json', 'x-mesh-call': call });
  res.end(JSON.stringify(value));
}

/** The same as a stream. Throws what the call ends with; events may have been written by then. */
export async function answerStream(
  mesh: Mesh,
  wish: ChatWish,
  options: CallOptions,
  res: ServerResponse,
): Promise<void> {
  const call = mesh.stream<Completion>(wish.model, wish.body, options);
  let attempt = 0;
  for await (const part of call) {
    if (attempt !== 0 && part.attempt !== attempt) {
      // What was said cannot be taken back, and a new attempt begins anew.
      throw meshError('attempt_lost', { agent: 'the model', why: 'its answer would begin again' });
    }
    attempt = part.attempt;
    await say(res, call, part.value);
  }
  const { value } = await call.outcome;
  if (attempt === 0) {
    await say(res, call, chunkOf(value, (value.choices ?? []).map(whole)));
  }
  if (wish.usage && value.usage !== undefined) {
    await say(res, call, { ...chunkOf(value, []), usage: value.usage });
  }
  res.end('data: [DONE]\n\n');
}

/** Whoever gave no parts has said it all in the end. */
function whole({
  index,
  message,
  finish_reason: finish = 'stop',
}: NonNullable<Completion['choices']>[number]): object {
  return { index, delta: message, finish_reason: finish };
}

function chunkOf(completion: Completion, choices: object[]): object {
  const { choices: _, usage: __, ...facts } = completion;
  return { ...facts, object: 'chat.completion.chunk', choices };
}

/** One event; resolves when there is room for the next, or when nobody is left to read it. */
async function say(res: ServerResponse, { call }: CallStream<Completion>, value: unknown): Promise<void> {
  if (!res.headersSent) {
    res.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-mesh-call': call,
    });
  }
  if (!res.write(`data: ${JSON.stringify(value)}\n\n`) && !res.destroyed) {
    await new Promise<void>((resolve) => {
      const go = (): void => {
        res.off('drain', go).off('close', go);
        resolve();
      };
      res.on('drain', go).on('close', go);
    });
  }
}

/**
 * The answer of a provider, read to its end: chunks as they come, the usage that it says, and the whole completion.
 */
import { limits } from '../../wire/limits.js';
import { Completion, type Chunk } from './completion.js';
import { eventsOf, wholeOf } from './events.js';
import type { ProviderClient } from './provider.js';

/** Who hears of it meanwhile. */
export interface Listener {
  /** A chunk; nothing more is read before it is done with it. */
  readonly onChunk: (chunk: object) => Promise<void>;
  /** The usage of the whole answer, as it was said. Returns whether that can be believed. */
  readonly onUsage: (usage: unknown) => boolean;
}

/**
 * Read it. Throws provider_broke_off when it ends before it is done or cannot be read, provider_failed when it says an
 * error, and what the listener throws.
 */
export async function readAnswer(
  response: Response,
  model: string,
  client: ProviderClient,
  listener: Listener,
): Promise<object> {
  const streams = /^text\/event-stream\b/i.test(response.headers.get('content-type') ?? '');
  return streams
    ? await readStream(response, model, client, listener)
    : await readWhole(response, client, listener);
}

async function readStream(
  { body }: Response,
  model: string,
  client: ProviderClient,
  { onChunk, onUsage }: Listener,
): Promise<object> {
  const completion = new Completion(model, Date.now());
  let [last, believed]: unknown[] = [];
  let ended = false;
  for await (const data of guarded(eventsOf(bytesOf(body), limits.llmReplyBytes), client)) {
    if (data === '[DONE]') {
      ended = true;
      break;
    }
    const chunk = parsed(data, client) as Chunk;
    if (chunk.error !== undefined && chunk.error !== null) {
      throw client.failed(chunk.error.message);
    }
    completion.add(chunk);
    if (chunk.usage !== undefined && chunk.usage !== null) {
      last = chunk.usage;
      // Some say it all along; before the end it is only what was used until then.
      believed = completion.done && onUsage(last) ? last : undefined;
    }
    if (Array.isArray(chunk.choices) && chunk.choices.length > 0) {
      const { usage: _, ...shown } = chunk;
      await onChunk(shown);
    }
  }
  if (!ended && !completion.done) {
    throw client.brokeOff('its stream ended before the answer did');
  }
  if (ended && last !== undefined && !completion.done && onUsage(last)) {
    believed = last;
  }
  return completion.value(believed);
}

/** A provider that does not stream answers all the same. */
async function readWhole({ body }: Response, client: ProviderClient, { onUsage }: Listener): Promise<object> {
  const text = await wholeOf(bytesOf(body), limits.llmReplyBytes).catch((err: unknown) => {
    throw client.brokeOff(err);
  });
  const { usage, error, ...completion } = parsed(text, client) as Chunk & { readonly object?: unknown };
  if (error !== undefined && error !== null) {
    throw client.failed(error.message);
  }
  const believed = usage !== undefined && usage !== null && onUsage(usage);
  return { ...completion, ...(believed ? { usage } : {}) };
}

/** What breaks a stream is told in the words of the mesh. */
async function* guarded(events: AsyncGenerator<string>, client: ProviderClient): AsyncGenerator<string> {
  try {
    for (;;) {
      const next = await events.next().catch((err: unknown) => {
        throw client.brokeOff(err);
      });
      if (next.done === true) {
        return;
      }
      yield next.value;
    }
  } finally {
    await events.return(undefined).catch(() => undefined);
  }
}

function bytesOf(body: Response['body']): AsyncIterable<Uint8Array> {
  return (body ?? []) as AsyncIterable<Uint8Array>;
}

function parsed(text: string, client: ProviderClient): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value;
    }
  } catch {
    // told below
  }
  throw client.brokeOff('what it says cannot be read as JSON');
}

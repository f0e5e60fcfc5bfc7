/**
 * A server that speaks the chat completions protocol: requests, and what its refusals mean. Its key is sent to it and
 * told to nobody else, not even in what it says itself.
 */
import { meshError, type MeshError } from '../../agent/index.js';
import { limits } from '../../wire/limits.js';
import { causeOf, wasAway } from '../reach.js';
import { wholeOf } from './events.js';

/** Where it is, and how it is asked. */
export interface Provider {
  /** For example `https://api.openai.com/v1`: requests go to `/chat/completions` below it. */
  readonly baseUrl: string;
  /** Sent as a bearer token. */
  readonly key?: string | undefined;
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** An error, and whether the provider has surely done nothing for it. */
export class ProviderError extends Error {
  readonly error: MeshError;
  readonly neverRan: boolean;

  constructor(error: MeshError, neverRan: boolean) {
    super(error.message, { cause: error });
    this.error = error;
    this.neverRan = neverRan;
  }
}

const WHY_CHARS = 300;
const GONE = '[redacted]';

/** Asks one provider in the name of an agent. */
export class ProviderClient {
  readonly #agent: string;
  readonly #provider: Provider;
  readonly #url: string;

  constructor(agent: string, provider: Provider) {
    this.#agent = agent;
    this.#provider = provider;
    this.#url = `${provider.baseUrl.replace(/\/+$/, '')}/chat/completions`;
  }

  /** Send a request; resolves with what it answers, when it begins to. Throws ProviderError, and why it was aborted. */
  async ask(body: string, signal: AbortSignal): Promise<Response> {
    const response = await this.#send(body, signal);
    if (!response.ok || response.body === null) {
      throw await this.#refusal(response);
    }
    return response;
  }

  /** Errors in the middle of an answer: whatever a stream throws, or what is wrong with it. */
  brokeOff(why: unknown): MeshError {
    return meshError('provider_broke_off', { agent: this.#agent, why: this.clean(wordsOf(why)) }, why);
  }

  /** An error that the provider itself says in its answer. */
  failed(why: unknown): MeshError {
    const said = typeof why === 'string' ? this.clean(why) : 'it gave no reason';
    return meshError('provider_failed', { agent: this.#agent, why: said });
  }

  /** A text without what is secret, cut to a sentence. */
  clean(text: string): string {
    const { key, headers = {} } = this.#provider;
    const secrets = [key, ...Object.values(headers)].filter((one) => one !== undefined && one !== '');
    const clean = secrets.reduce<string>((said, secret) => said.replaceAll(secret as string, GONE), text);
    return clean.length > WHY_CHARS ? `${clean.slice(0, WHY_CHARS)}…` : clean;
  }

  async #send(body: string, signal: AbortSignal): Promise<Response> {
    const { key, headers = {} } = this.#provider;
    try {
      return await fetch(this.#url, {
        method: 'POST',
        headers: {
          ...headers,
          ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
          'content-type': 'application/json',
          accept: 'text/event-stream, application/json',
        },
        body,
        signal,
        redirect: 'error', // the key is for this server
      });
    } catch (err) {
      signal.throwIfAborted();
      if (wasAway(err)) {
        const why = `it is not there (${causeOf(err) ?? ''})`;
        throw new ProviderError(meshError('provider_busy', { agent: this.#agent, why }), true);
      }
      throw new ProviderError(this.brokeOff(err), false);
    }
  }

  async #refusal(response: Response): Promise<ProviderError> {
    const { status } = response;
    const said = await reasonOf(response);
    // What it says about a key that it refuses often quotes it.
    const reason = status === 401 || status === 403 ? 'the key is not accepted' : this.clean(said.message);
    const why = reason === '' ? `it answered ${status}` : `it answered ${status}: ${reason}`;
    const facts = { agent: this.#agent, why };
    if (BUSY.has(status) && said.code !== 'insufficient_quota') {
      const retryAfterMs = retryAfterOf(response.headers.get('retry-after'), Date.now());
      const busy = retryAfterMs === undefined ? facts : { ...facts, retry_after_ms: retryAfterMs };
      return new ProviderError(meshError('provider_busy', busy), true);
    }
    if (status >= 400 && status < 500) {
      return new ProviderError(meshError('provider_refused', facts), true);
    }
    return new ProviderError(meshError('provider_failed', facts), false); // it may have worked on it
  }
}

/** Too many requests, or overloaded: it did not begin. */
const BUSY = new Set([408, 425, 429, 503, 529]);
const RETRY_AFTER_MAX_MS = 86_400_000;

/** The header Retry-After in ms: seconds, or a date. */
export function retryAfterOf(text: string | null, nowMs: number): number | undefined {
  if (text === null) {
    return undefined;
  }
  if (!/^(?:\d{1,9}(?:\.\d{1,3})?|[A-Z][a-z]{2}, .{20,30})$/.test(text)) {
    return undefined;
  }
  const ms = /^\d/.test(text) ? Number(text) * 1_000 : Date.parse(text) - nowMs;
  return Number.isFinite(ms) ? Math.min(Math.max(0, Math.ceil(ms)), RETRY_AFTER_MAX_MS) : undefined;
}

async function reasonOf({ body }: Response): Promise<{ message: string; code: unknown }> {
  try {
    const text = body === null ? '' : await wholeOf(body, limits.llmErrorBytes);
    const { error } = JSON.parse(text) as { error?: { message?: unknown; code?: unknown } | string };
    const { message, code } = typeof error === 'object' ? error : { message: error, code: undefined };
    return { message: typeof message === 'string' ? message : '', code };
  } catch {
    return { message: '', code: undefined }; // a page, or nothing: the status says enough
  }
}

/** What a thrown value says; a failed fetch keeps its reason in its cause. */
function wordsOf(err: unknown): string {
  if (!(err instanceof Error)) {
    return String(err);
  }
  const cause = causeOf(err);
  return cause === undefined || cause === '' ? err.message : `${err.message} (${cause})`;
}

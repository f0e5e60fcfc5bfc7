/**
 * From the body of a call to the request of its provider, and the most that it can use.
 */
import { meshError, type MeshError } from '../../agent/index.js';
import type { Usage } from '../../wire/usage.js';
import { limits } from '../../wire/limits.js';

/** The names under which providers take the bound of an answer. */
export const TOKEN_FIELDS = ['max_tokens', 'max_completion_tokens'] as const;

/** How requests are made. */
export interface RequestTerms {
  readonly model: string;
  /** Tokens of an answer at most. */
  readonly maxTokens: number;
  /** What the provider calls that bound, where the caller names none. */
  readonly tokensField: (typeof TOKEN_FIELDS)[number];
}

/** A request that can be sent. */
export interface ChatRequest {
  /** JSON. */
  readonly body: string;
  /** It will use at most this much. */
  readonly bound: Usage;
}

/** What the schema lets through. */
export interface ChatBody {
  readonly model?: string;
  readonly n?: number;
  readonly max_tokens?: number;
  readonly max_completion_tokens?: number;
  readonly [parameter: string]: unknown;
}

/**
 * Make it: always streamed, with the usage at the end, and always with a bound for the answer. Throws
 * provider_refused: another model is asked for, or a longer answer than the terms allow.
 */
export function requestOf(given: ChatBody, terms: RequestTerms, refuse: Refuse): ChatRequest {
  const { model = terms.model, n = 1 } = given;
  if (model !== terms.model) {
    throw refuse(`it has the model ${terms.model}, and ${JSON.stringify(model.slice(0, 80))} was asked for`);
  }
  const asked = TOKEN_FIELDS.flatMap((field) => given[field] ?? []);
  const most = Math.max(...asked, 0);
  if (most > terms.maxTokens) {
    throw refuse(`answers of ${most} tokens were asked for, and ${terms.maxTokens} are allowed`);
  }
  const body = JSON.stringify({
    ...given,
    ...(asked.length === 0 ? { [terms.tokensField]: terms.maxTokens } : {}),
    model,
    stream: true,
    stream_options: { include_usage: true },
  });
  // No tokenizer makes more tokens than there are bytes.
  const promptTokens = Buffer.byteLength(body) + limits.llmPromptTokens;
  const completionTokens = n * (asked.length === 0 ? terms.maxTokens : Math.max(...asked));
  return { body, bound: { promptTokens, completionTokens, tokens: promptTokens + completionTokens } };
}

/** Makes an error of a reason. */
export type Refuse = (why: string) => MeshError;

/** Refusals in the name of an agent. */
export function refuserOf(agent: string): Refuse {
  return (why) => meshError('provider_refused', { agent, why });
}

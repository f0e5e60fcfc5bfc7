/**
 * The usage of a provider, as it says it: believed as far as it can be true.
 */
import type { Usage } from '../../wire/usage.js';
import { limits } from '../../wire/limits.js';

/** Nothing was used: the provider never began. */
export const NOTHING: Usage = { promptTokens: 0, completionTokens: 0, tokens: 0 };

interface Said {
  readonly prompt_tokens?: unknown;
  readonly completion_tokens?: unknown;
  readonly prompt_tokens_details?: { readonly cached_tokens?: unknown } | null;
  readonly completion_tokens_details?: { readonly reasoning_tokens?: unknown } | null;
}

/**
 * The usage in units of the mesh. Undefined when it cannot be true: an amount that is missing, negative, no whole
 * number or beyond all measure, or a part that is larger than its whole.
 */
export function readProviderUsage(value: unknown): Usage | undefined {
  if (typeof value !== 'object' || value === null) {
    return undefined;
  }
  const said = value as Said;
  const [prompt, completion] = [said.prompt_tokens, said.completion_tokens];
  const cached = said.prompt_tokens_details?.cached_tokens ?? 0;
  const reasoning = said.completion_tokens_details?.reasoning_tokens ?? 0;
  if (!isCount(prompt) || !isCount(completion) || !isCount(cached) || !isCount(reasoning)) {
    return undefined;
  }
  if (cached > prompt || reasoning > completion) {
    return undefined;
  }
  return {
    promptTokens: prompt,
    completionTokens: completion,
    tokens: prompt + completion,
    ...(cached === 0 ? {} : { cachedTokens: cached }),
    ...(reasoning === 0 ? {} : { reasoningTokens: reasoning }),
  };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= limits.llmUsageTokens;
}

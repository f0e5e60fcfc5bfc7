/**
 * The bounds of mounted models and of the door for clients of models; they are part of the table in
 * `src/wire/limits.ts`.
 */
export const llmLimits = {
  llmTokens: {
    value: 4_096,
    unit: 'tokens',
    reason: 'What a call of a mounted model may be answered with, unless --max-tokens says otherwise.',
  },
  llmTokensMax: { value: 1_000_000, unit: 'tokens', reason: 'Most that --max-tokens may allow.' },
  llmPromptTokens: {
    value: 1_024,
    unit: 'tokens',
    reason: 'What a provider may add to the prompt: beside it, a byte of the request is at most one token.',
  },
  llmUsageTokens: {
    value: 100_000_000,
    unit: 'tokens',
    reason: 'A provider that says one call used more says nothing that is believed.',
  },
  llmFinishMs: {
    value: 10_000,
    unit: 'ms',
    reason:
      'A cancelled call reads the answer of its provider on this long, unheard, because the usage stands at its end.',
  },
  llmLastMs: {
    value: 500,
    unit: 'ms',
    reason: 'The same after the deadline of the call: well within deadlineGraceMs.',
  },
  llmReplyBytes: { value: 16_000_000, unit: 'bytes', reason: 'One answer of a provider.' },
  llmErrorBytes: {
    value: 4_096,
    unit: 'bytes',
    reason: 'What is read of the reason of a provider that refuses.',
  },
} as const satisfies Record<string, { value: number; unit: string; reason: string }>;

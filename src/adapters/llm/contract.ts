/**
 * The contract of a chat model as a capability: the request and the completion of the OpenAI protocol, as far as what
 * they cost is known beforehand. It is the same for every model, so that agents with different models share a
 * capability.
 */

/** Version of the contract. */
export const CONTRACT_VERSION = '1.0';

const text = { type: 'string' } as const;
const part = {
  type: 'object',
  properties: { type: { enum: ['text', 'refusal'] } },
  required: ['type'],
} as const;

/** Input schema. What is not named here may cost what nobody has counted, and is refused. */
export const inputSchema = {
  type: 'object',
  properties: {
    messages: {
      type: 'array',
      minItems: 1,
      maxItems: 2_048,
      items: {
        type: 'object',
        properties: {
          role: { enum: ['system', 'developer', 'user', 'assistant', 'tool'] },
          content: { type: ['string', 'array', 'null'], items: part },
        },
        required: ['role'],
      },
    },
    model: text,
    max_tokens: { type: 'integer', minimum: 1, maximum: 1_000_000 },
    max_completion_tokens: { type: 'integer', minimum: 1, maximum: 1_000_000 },
    n: { type: 'integer', minimum: 1, maximum: 8 },
    temperature: { type: 'number', minimum: 0, maximum: 2 },
    top_p: { type: 'number', minimum: 0, maximum: 1 },
    presence_penalty: { type: 'number', minimum: -2, maximum: 2 },
    frequency_penalty: { type: 'number', minimum: -2, maximum: 2 },
    seed: { type: 'integer' },
    stop: { type: ['string', 'array'], items: text, maxItems: 4 },
    logit_bias: { type: 'object', additionalProperties: { type: 'number' } },
    logprobs: { type: 'boolean' },
    top_logprobs: { type: 'integer', minimum: 0, maximum: 20 },
    tools: { type: 'array', maxItems: 128, items: { type: 'object' } },
    tool_choice: { type: ['string', 'object'] },
    parallel_tool_calls: { type: 'boolean' },
    response_format: { type: 'object' },
    reasoning_effort: text,
    verbosity: text,
    user: text,
  },
  required: ['messages'],
  additionalProperties: false,
} as const;

/** Output schema: the mark of the protocol, and at least one choice. */
export const outputSchema = {
  type: 'object',
  properties: {
    id: text,
    object: { const: 'chat.completion' },
    model: text,
    choices: {
      type: 'array',
      minItems: 1,
      items: {
        type: 'object',
        properties: { index: { type: 'integer' }, message: { type: 'object' } },
        required: ['index', 'message'],
      },
    },
    usage: { type: 'object' },
  },
  required: ['object', 'model', 'choices'],
} as const;

/** Is this the output schema of a chat model? */
export function isChat(schema: object | boolean): boolean {
  const { properties } = (typeof schema === 'object' ? schema : {}) as {
    properties?: { object?: { const?: unknown } };
  };
  return properties?.object?.const === 'chat.completion';
}

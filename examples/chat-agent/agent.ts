/**
 * An agent around a model: `text.summarise`, served by whatever speaks the chat completions protocol.
 */
import { connect, type TaskContext } from 'capmesh';
import { complete, type ChatServer } from './chat.js';

const apiKey = process.env['OPENAI_API_KEY'];
const server: ChatServer = {
  baseUrl: process.env['OPENAI_BASE_URL'] ?? 'https://api.openai.com/v1',
  model: process.env['OPENAI_MODEL'] ?? 'gpt-4o-mini',
  ...(apiKey === undefined ? {} : { apiKey }),
};

interface Wish {
  readonly text: string;
  /** At most this many words. */
  readonly words?: number;
}

const input = {
  type: 'object',
  properties: {
    text: { type: 'string', minLength: 1, maxLength: 100_000 },
    words: { type: 'integer', minimum: 1, maximum: 1_000 },
  },
  required: ['text'],
  additionalProperties: false,
};

async function summarise({ text, words = 50 }: Wish, ctx: TaskContext): Promise<object> {
  const rules = `Summarise what the user sends in at most ${words} words. Answer with the summary only.`;
  const said = await complete(
    server,
    [
      { role: 'system', content: rules },
      { role: 'user', content: text },
    ],
    ctx.signal, // cancelled by the caller, or too late: the model need not go on
    (text) => ctx.progress({ text }), // to a caller that listens, at the pace at which it reads
  );
  if (said.usage !== undefined) {
    ctx.usage({ promptTokens: said.usage.prompt_tokens, completionTokens: said.usage.completion_tokens });
  }
  return { summary: said.text, model: said.model };
}

const mesh = await connect({ concurrency: 4, description: `Works with texts, by ${server.model}.` });
// A repeat costs money but does no harm. A model may be slow: an attempt has two minutes.
await mesh.serve('text.summarise', { input, idempotent: true, attemptMs: 120_000 }, summarise);
console.log(`${mesh.name} serves text.summarise with ${server.model}`);
process.once('SIGTERM', () => void mesh.close());
process.once('SIGINT', () => void mesh.close());

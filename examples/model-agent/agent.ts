/**
 * An agent that asks a model and holds no key: `headline.write`, by a call of `llm.chat`. That call ends with the task it
 * is part of, is decided and recorded like any other, and what it used is measured where the provider is.
 */
import { connect, type TaskContext } from 'capmesh';

interface Wish {
  readonly text: string;
}

interface Completion {
  readonly choices: readonly { readonly message: { readonly content: string } }[];
}

interface Chunk {
  readonly choices: readonly { readonly delta: { readonly content?: string } }[];
}

const input = {
  type: 'object',
  properties: { text: { type: 'string', minLength: 1, maxLength: 20_000 } },
  required: ['text'],
  additionalProperties: false,
};

async function headline({ text }: Wish, ctx: TaskContext): Promise<object> {
  const messages = [
    { role: 'system', content: 'Answer with a headline for what the user sends, and with nothing else.' },
    { role: 'user', content: text },
  ];
  const answer = ctx.stream<Completion>('llm.chat', { messages, max_tokens: 50 });
  for await (const { value } of answer) {
    const { choices } = value as unknown as Chunk;
    await ctx.progress({ text: choices[0]?.delta.content ?? '' }); // at the pace at which the caller reads
  }
  const { value } = await answer.outcome;
  return { headline: value.choices[0]?.message.content ?? '' };
}

const mesh = await connect({ concurrency: 4, description: 'Finds headlines.' });
await mesh.serve('headline.write', { input }, headline);
console.log(`${mesh.name} serves headline.write`);
process.once('SIGTERM', () => void mesh.close());
process.once('SIGINT', () => void mesh.close());

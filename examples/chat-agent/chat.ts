/**
 * A client of the chat completions protocol that many model servers speak: one request, an answer in server-sent
 * events, the usage in the last of them.
 */

export interface ChatServer {
  /** For example `https://api.openai.com/v1`. */
  readonly baseUrl: string;
  readonly model: string;
  readonly apiKey?: string;
}

export interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export interface Completion {
  readonly text: string;
  /** The model that answered, as the server calls it. */
  readonly model: string;
  /** As the server counted them; missing when it does not say. */
  readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number };
}

interface Chunk {
  readonly model?: string;
  readonly choices?: readonly { readonly delta?: { readonly content?: string | null } }[];
  readonly usage?: Completion['usage'] | null;
  readonly error?: { readonly message?: string };
}

/**
 * Ask, and hear the text as it comes: nothing more is read before `onText` is done with it. Throws when the server says
 * no, breaks off, or the signal is aborted, and what `onText` throws.
 */
export async function complete(
  { baseUrl, model, apiKey }: ChatServer,
  messages: readonly Message[],
  signal: AbortSignal,
  onText: (text: string) => Promise<unknown>,
): Promise<Completion> {
  const response = await fetch(`${baseUrl}/chat/completions`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
    },
    body: JSON.stringify({ model, messages, stream: true, stream_options: { include_usage: true } }),
    signal,
  });
  if (!response.ok || response.body === null) {
    throw new Error(`the model server answered ${response.status}: ${(await response.text()).slice(0, 200)}`);
  }
  let said: Completion = { text: '', model };
  for await (const data of eventsOf(response.body)) {
    if (data === '[DONE]') {
      return said;
    }
    const chunk = JSON.parse(data) as Chunk;
    if (chunk.error !== undefined) {
      throw new Error(`the model server broke off: ${chunk.error.message ?? 'no reason given'}`);
    }
    const text = chunk.choices?.[0]?.delta?.content ?? '';
    if (text !== '') {
      await onText(text);
    }
    const usage = chunk.usage ?? said.usage;
    said = {
      text: said.text + text,
      model: chunk.model ?? said.model,
      ...(usage === undefined ? {} : { usage }),
    };
  }
  throw new Error('the model server ended before it was done');
}

/** The data of each event. What comes over the network is cut anywhere, also inside of a letter. */
async function* eventsOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let held = '';
  for await (const bytes of body) {
    const lines = (held + decoder.decode(bytes, { stream: true })).split(/\r?\n/);
    held = lines.pop() ?? '';
    for (const line of lines) {
      const data = /^data: ?(.*)$/.exec(line)?.[1]; // others are comments that keep the line open, and empty lines
      if (data !== undefined) {
        yield data;
      }
    }
  }
}

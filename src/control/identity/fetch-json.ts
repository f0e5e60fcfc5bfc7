/**
 * Reading a small JSON document over HTTP: bounded in time and bytes, without following anybody elsewhere.
 */
import { limits } from '../../wire/limits.js';

/** The document. Throws an Error that says in one sentence what is wrong. */
export async function fetchJson(url: string): Promise<object> {
  const response = await fetch(url, {
    redirect: 'error',
    signal: AbortSignal.timeout(limits.issuerTimeoutMs),
    headers: { accept: 'application/json' },
  }).catch((err: unknown) => {
    throw new Error(`${url} did not answer: ${whyOf(err)}`, { cause: err });
  });
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw new Error(`${url} answered ${response.status}`);
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > limits.issuerBytes) {
      throw new Error(`${url} answered with more than ${limits.issuerBytes} bytes`);
    }
    chunks.push(chunk);
  }
  const value: unknown = parse(Buffer.concat(chunks).toString('utf8'));
  if (typeof value !== 'object' || value === null) {
    throw new Error(`${url} answered with something that is not a JSON object`);
  }
  return value;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function whyOf(err: unknown): string {
  const cause = err instanceof Error && err.cause instanceof Error ? err.cause : err;
  return cause instanceof Error ? cause.message || cause.name : String(cause);
}

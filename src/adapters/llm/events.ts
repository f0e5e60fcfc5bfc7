/**
 * Server-sent events of a provider. What comes over the network is cut anywhere, also inside of a letter.
 */

/** The data of each event. Throws RangeError when all of them together are larger than the bound. */
export async function* eventsOf(body: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let held = '';
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > maxBytes) {
      throw new RangeError(`it has more than ${maxBytes} bytes`);
    }
    const lines = (held + decoder.decode(chunk, { stream: true })).split(/\r?\n/);
    held = lines.pop() ?? '';
    for (const line of lines) {
      const data = dataOf(line);
      if (data !== undefined) {
        yield data;
      }
    }
  }
  const data = dataOf(held); // a last line may come without its end
  if (data !== undefined) {
    yield data;
  }
}

/** Others are comments that keep the line open, and empty lines. */
function dataOf(line: string): string | undefined {
  return /^data: ?(.*)$/.exec(line)?.[1];
}

/** The whole body as text. Throws RangeError when it is larger than the bound. */
export async function wholeOf(body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > maxBytes) {
      throw new RangeError(`it has more than ${maxBytes} bytes`);
    }
    parts.push(chunk);
  }
  return Buffer.concat(parts).toString();
}

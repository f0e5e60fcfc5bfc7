import { expect, test } from 'vitest';
import { PartsIn } from '../../src/agent/parts-in.js';
import { encodeHeaders, header, HeaderBlock } from '../../src/wire/headers.js';

/** Somebody who watches a call that runs already, and hears these parts of it, in this order. */
async function watches(parts: readonly number[]): Promise<number[]> {
  const credits: number[] = [];
  const reading = new PartsIn({
    wish: { window: 8, questions: false },
    onQuestion: undefined,
    drop: false,
    attach: true,
    credit: (n) => credits.push(n),
    giveUp: () => undefined,
  });
  for (const n of parts) {
    const lines = encodeHeaders([
      [header.part, n],
      [header.attempt, 1],
    ]);
    reading.receive(new HeaderBlock(lines), Buffer.from(String(n)));
  }
  reading.end(0);
  const read: number[] = [];
  for await (const { n } of reading) {
    read.push(n);
  }
  return read;
}

test.each([
  ['the first one', [1, 2, 3], [1, 2, 3]],
  ['a later one first, and then what is repeated', [2, 1, 2], [1, 2]],
  ['the middle of a repetition', [5, 6, 4, 5, 6, 7], [4, 5, 6, 7]],
  ['what was read before it came is not repeated', [3, 3, 4], [3, 4]],
])('whoever comes later reads from the first unread part on: %s', async (_, heard, read) => {
  expect(await watches(heard)).toEqual(read);
});

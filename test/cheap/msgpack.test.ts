import { Packr } from 'msgpackr';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MeshError } from '../../src/wire/errors.js';
import { decodeJson, encodeJson, type Json } from '../../src/wire/json.js';
import { limits } from '../../src/wire/limits.js';
import { decodeMsgpack, encodeMsgpack } from '../../src/wire/msgpack.js';

const codeOf = (work: () => unknown): string => {
  try {
    work();
    return 'taken';
  } catch (err) {
    return err instanceof MeshError ? err.code : String(err);
  }
};
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
/** What JSON makes of it: no -0, nothing beyond its numbers. */
const json = fc
  .jsonValue({ maxDepth: 6 })
  .map((value) => JSON.parse(JSON.stringify(value)) as Json)
  .filter((value) => codeOf(() => decodeJson(encodeJson(value))) === 'taken');

describe('msgpack and JSON', () => {
  test('carry the same values', () => {
    fc.assert(
      fc.property(json, (value) => {
        const byMsgpack = decodeMsgpack(encodeMsgpack(value));
        expect(byMsgpack).toEqual(decodeJson(encodeJson(value)));
        expect(encodeJson(byMsgpack)).toEqual(encodeJson(value));
      }),
      { numRuns: 1_000 },
    );
  });

  test('leave out what is undefined alike', () => {
    const value = { a: undefined, b: [undefined, 1], c: { d: undefined } };
    expect(decodeMsgpack(encodeMsgpack(value))).toEqual(decodeJson(encodeJson(value)));
    expect(decodeMsgpack(encodeMsgpack(undefined))).toBeNull();
    expect(decodeMsgpack(new Uint8Array(0))).toBeNull();
  });

  test('other writers may use every form of a number and a text', () => {
    for (const text of [
      'cc 05',
      'cd 0005',
      'ce 00000005',
      'cf 0000000000000005',
      'd0 05',
      'd3 0000000000000005',
    ]) {
      expect(decodeMsgpack(hex(text))).toBe(5);
    }
    expect(decodeMsgpack(hex('ca 40a00000'))).toBe(5);
    expect(decodeMsgpack(hex('d9 01 61'))).toBe('a');
    expect(decodeMsgpack(hex('db 00000001 61'))).toBe('a');
    expect(decodeMsgpack(hex('df 00000001 da0001 61 dd00000001 c3'))).toEqual({ a: [true] });
  });
});

describe('hostile msgpack', () => {
  const rows: readonly [what: string, bytes: Buffer, code: string][] = [
    ['an array of four billion', hex('dd ffffffff'), 'body_undecodable'],
    ['a map of four billion', hex('df ffffffff'), 'body_undecodable'],
    ['a text of four billion', hex('db ffffffff 61'), 'body_undecodable'],
    ['an array in an array without end', Buffer.alloc(200_000, 0x91), 'body_too_deep'],
    [
      'maps in maps without end',
      Buffer.concat(Array.from({ length: 100 }, () => hex('81a161'))),
      'body_too_deep',
    ],
    [
      'more values than allowed',
      Buffer.concat([hex('dd 0000ffff'), Buffer.alloc(0xffff, 1)]),
      'body_too_many',
    ],
    ['NaN', hex('cb 7ff8000000000000'), 'body_number'],
    ['infinity', hex('cb 7ff0000000000000'), 'body_number'],
    ['a short infinity', hex('ca 7f800000'), 'body_number'],
    ['2^53', hex('cf 0020000000000000'), 'body_number'],
    ['-2^53', hex('d3 ffe0000000000000'), 'body_number'],
    ['1e300', hex('cb 7e37e43c8800759c'), 'body_number'],
    ['__proto__', hex('81 a9 5f5f70726f746f5f5f 80'), 'body_key'],
    ['a key twice', hex('82 a161 01 a161 02'), 'body_key'],
    ['a number as key', hex('81 01 01'), 'body_undecodable'],
    ['nil as key', hex('81 c0 01'), 'body_undecodable'],
    ['a binary value', hex('c4 01 00'), 'body_undecodable'],
    ['a date', hex('d6 ff 00000000'), 'body_undecodable'],
    ['undefined, as msgpackr has it', hex('d4 00 00'), 'body_undecodable'],
    ['a record of msgpackr', new Packr({ useRecords: true }).pack([{ a: 1 }, { a: 2 }]), 'body_undecodable'],
    ['a long extension', hex('c9 ffffffff 01'), 'body_undecodable'],
    ['the byte that is never used', hex('c1'), 'body_undecodable'],
    ['no UTF-8', hex('a1 ff'), 'body_undecodable'],
    ['no UTF-8 as key', hex('81 a1 ff 01'), 'body_undecodable'],
    ['something behind the value', hex('01 01'), 'body_undecodable'],
    ['a cut number', hex('ce 0000'), 'body_undecodable'],
    ['a cut map', hex('82 a161 01'), 'body_undecodable'],
    ['JSON', Buffer.from('{"a":1}'), 'body_undecodable'],
    ['too large', Buffer.alloc(limits.bodyBytes + 1), 'body_too_large'],
  ];

  test.each(rows)('%s is refused', (_, bytes, code) => {
    expect(codeOf(() => decodeMsgpack(bytes))).toBe(code);
  });

  test('any bytes are a value within bounds or a typed error, soon', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const code = codeOf(() => decodeMsgpack(bytes));
        expect(code).toMatch(/^(taken|body_\w+)$/);
        const asJson = () => (code === 'taken' ? decodeJson(encodeJson(decodeMsgpack(bytes))) : undefined);
        expect(codeOf(asJson)).toBe('taken');
      }),
      { numRuns: 5_000 },
    );
  });

  test('what JSON cannot carry is not sent', () => {
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    const refused = [new Date(), Buffer.from('x'), Number.NaN, 2 ** 60, 2n ** 63n, circle];
    expect(refused.map((value) => codeOf(() => encodeMsgpack({ value })))).not.toContain('taken');
  });
});

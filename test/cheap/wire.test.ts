import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readAck } from '../../src/fabric/publisher.js';
import { fromBody, meshError, type MeshError } from '../../src/wire/errors.js';
import { errorTable, type ErrorCode } from '../../src/wire/generated/errors.js';
import { parse, subject } from '../../src/wire/generated/subjects.js';
import { encodeHeaders, header, HeaderBlock } from '../../src/wire/headers.js';
import { decodeJson, encodeJson } from '../../src/wire/json.js';
import { asCapability, isCapability, isPattern, isToken, matches, type Token } from '../../src/wire/names.js';
import { birthOf, isCallId, newCallId } from '../../src/wire/ulid.js';

const codeOf = (act: () => unknown): string => {
  try {
    act();
    return 'none';
  } catch (err) {
    return (err as MeshError).code;
  }
};

describe('names', () => {
  const token = fc.stringMatching(/^[a-z0-9_-]{1,64}$/);

  test('a built subject always has the tokens of its pattern, whatever the names', () => {
    fc.assert(
      fc.property(token, fc.array(token, { minLength: 1, maxLength: 8 }), (from, tokens) => {
        const capability = asCapability(tokens.join('.'));
        const built = subject.call({ from: from as Token, capability });
        expect(built.split('.')).toHaveLength(4 + tokens.length);
        expect(parse.call(built)).toEqual({ from, capability });
      }),
    );
  });

  test.each(['', '*', '>', 'a.b', 'A', 'ä', 'a b', 'a\u0000', '$JS', 'x'.repeat(65)])(
    '%j is no token',
    (value) => {
      expect(isToken(value)).toBe(false);
    },
  );

  test.each(['', '.', 'a.', '.a', 'a..b', 'a.*', 'a.>', 'A.b', 'a.b.c.d.e.f.g.h.i'])(
    '%j is no capability',
    (value) => {
      expect(isCapability(value)).toBe(false);
    },
  );

  test.each([
    ['>', 'a', true],
    ['a.>', 'a', false],
    ['a.>', 'a.b.c', true],
    ['a.*', 'a.b', true],
    ['a.*', 'a.b.c', false],
    ['*.b', 'a.b', true],
    ['a.b', 'a.b', true],
    ['a.b', 'a.bc', false],
  ])('pattern %s over %s: %s', (pattern, name, expected) => {
    expect(isPattern(pattern)).toBe(true);
    expect(matches(pattern, name)).toBe(expected);
  });
});

describe('call ids', () => {
  test('hold their birth and are never the same', () => {
    const ids = Array.from({ length: 10_000 }, () => newCallId(1_700_000_000_123));
    expect(new Set(ids).size).toBe(10_000);
    expect(ids.every((id) => isCallId(id) && birthOf(id) === 1_700_000_000_123)).toBe(true);
  });
});

describe('headers', () => {
  test('what is written is read', () => {
    const bytes = encodeHeaders([
      [header.call, 'abc'],
      [header.deadline, 12],
      [header.ticket, undefined],
      [header.context, 'grüße'],
    ]);
    const block = new HeaderBlock(bytes);
    expect([
      block.get(header.call),
      block.get(header.deadline),
      block.get(header.ticket),
      block.get(header.context),
    ]).toEqual(['abc', '12', undefined, 'grüße']);
    expect(block.statusCode).toBe(0);
  });

  test('a value cannot begin a header of its own', () => {
    expect(() => encodeHeaders([[header.call, 'a\r\nMesh-Ticket: x']])).toThrow(RangeError);
    expect(
      new HeaderBlock(encodeHeaders([[header.context, 'Mesh-Call: x']])).get(header.call),
    ).toBeUndefined();
  });

  test('the status of a message that the server made', () => {
    const block = new HeaderBlock(Buffer.from('NATS/1.0 503 No Responders\r\n\r\n'));
    expect([block.statusCode, block.statusText]).toEqual([503, 'No Responders']);
  });
});

describe('acknowledgements', () => {
  const said = (text: string) => readAck({ data: Buffer.from(text), _msg: { hdr: -1 } } as never);

  test.each([
    ['{"stream":"DECISIONS", "seq":7}', { kind: 'stored', seq: 7 }],
    ['{"stream":"DECISIONS","seq":7,"domain":"hub"}', { kind: 'stored', seq: 7 }],
    ['{"stream":"DECISIONS", "seq":7,"duplicate": true}', { kind: 'duplicate', seq: 7 }],
    ['{"stream":"DECISIONS","seq":7,"duplicate":true}', { kind: 'duplicate', seq: 7 }],
    [
      '{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"},"stream":"X","seq":0}',
      { kind: 'occupied' },
    ],
    [
      '{"error":{"code":409,"err_code":10158,"description":"in process"},"stream":"X","seq":0}',
      { kind: 'retry' },
    ],
    [
      '{"error":{"code":400,"err_code":10111,"description":"rollup not permitted"},"stream":"X","seq":0}',
      { kind: 'refused', code: 10111 },
    ],
    ['', { kind: 'retry' }],
    ['garbage', { kind: 'retry' }],
    ['{"stream":"X","seq":0}', { kind: 'retry' }],
  ])('%s', (text, expected) => {
    expect(said(text)).toMatchObject(expected);
  });
});

describe('bodies', () => {
  test('every JSON value within bounds comes back as it was', () => {
    const value = fc
      .jsonValue({ maxDepth: 6 })
      .filter((v) => !JSON.stringify(v).includes('__proto__') && !hasHuge(v));
    fc.assert(
      fc.property(value, (v) => {
        expect(decodeJson(encodeJson(v))).toEqual(JSON.parse(JSON.stringify(v)));
      }),
    );
  });

  test('whatever the bytes, it is a value or one typed error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(['none', 'body_undecodable', 'body_key', 'body_number', 'body_too_deep']).toContain(
          codeOf(() => decodeJson(bytes)),
        );
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([
    ['{"a":1,"a":2}', 'body_key'],
    ['{"a:b":1,"c":"d:e"}', 'none'],
    ['{"a\\"":1,"b":[{"c":{}}]}', 'none'],
    ['{"__proto__":1}', 'body_key'],
    ['[1e400]', 'body_number'],
    ['[9007199254740991]', 'none'],
    ['[9007199254740992]', 'body_number'],
    ['[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]', 'none'],
    ['[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]', 'body_too_deep'],
  ])('%s → %s', (text, expected) => {
    expect(codeOf(() => decodeJson(Buffer.from(text)))).toBe(expected);
  });

  function hasHuge(v: unknown): boolean {
    return typeof v === 'number'
      ? Math.abs(v) > Number.MAX_SAFE_INTEGER
      : typeof v === 'object' && v !== null && Object.values(v).some(hasHuge);
  }
});

describe('errors', () => {
  test.each(Object.keys(errorTable) as ErrorCode[])(
    '%s crosses the wire whole, without stack and cause',
    (code) => {
      const error = meshError(code, { value: 'x' }, new Error('secret cause'));
      const body = error.toBody();
      expect(fromBody(JSON.parse(JSON.stringify(body)))).toMatchObject({
        code,
        class: error.class,
        retry: error.retry,
        help: error.help,
      });
      expect(JSON.stringify(body)).not.toContain('secret');
      expect(error.message.startsWith(`[${code}] `)).toBe(true);
    },
  );

  test('a code of another version is not believed', () => {
    expect(fromBody({ code: 'from_the_future', message: 'x' }).code).toBe('internal');
    expect(fromBody(null).code).toBe('internal');
  });
});

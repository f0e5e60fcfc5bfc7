import { describe, expect, test } from 'vitest';
import { convertSchema } from '../../src/adapters/mcp-schema.js';
import { mapTools, tokenOf } from '../../src/adapters/mcp-tools.js';
import { checkSchema } from '../../src/domain/schema-safety.js';
import { compile } from '../../src/domain/validator.js';

/** Convert, and let the registrar's checks look at it. */
function fits(schema: object): { loosened: readonly string[]; check: (value: unknown) => boolean } {
  const converted = convertSchema(schema);
  checkSchema(converted.schema, 'test.tool', '');
  const validate = compile(converted.schema);
  return { loosened: converted.loosened, check: (value) => validate(value) === undefined };
}

describe('schemas of tools', () => {
  test('tuples, dependencies and flags of older drafts mean what they meant', () => {
    const { loosened, check } = fits({
      $schema: 'http://json-schema.org/draft-07/schema#',
      $id: 'http://example.com/tool',
      type: 'object',
      properties: {
        pair: { items: [{ type: 'string' }, { type: 'number' }], additionalItems: false },
        share: { type: 'number', minimum: 0, exclusiveMinimum: true, maximum: 1, exclusiveMaximum: false },
        kind: { $ref: '#/definitions/kind' },
      },
      dependencies: { share: ['kind'], pair: { required: ['share'] } },
      definitions: { kind: { enum: ['a', 'b'] } },
    });
    expect(loosened).toEqual([]);
    expect(check({ pair: ['x', 1], share: 1, kind: 'a' })).toBe(true);
    expect(check({ pair: ['x', 1, 2], share: 1, kind: 'a' })).toBe(false);
    expect(check({ pair: [1, 'x'], share: 1, kind: 'a' })).toBe(false);
    expect(check({ share: 0, kind: 'a' })).toBe(false);
    expect(check({ share: 0.5 })).toBe(false);
    expect(check({ pair: ['x', 1] })).toBe(false);
    expect(check({ kind: 'c' })).toBe(false);
  });

  test('what costs more than linear time is left out, and nothing becomes stricter by it', () => {
    const ahead = { pattern: '^(?!x)' };
    const { loosened, check } = fits({
      type: 'object',
      properties: {
        not: { not: ahead },
        one: { oneOf: [ahead, { type: 'number' }, { type: 'string' }] },
        // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
        when: { if: ahead, then: { maxLength: 0 }, else: { minLength: 100 } },
        all: { allOf: [ahead, { type: 'string' }] },
        list: { type: 'array', uniqueItems: true },
        short: { type: 'array', uniqueItems: true, maxItems: 9 },
      },
      patternProperties: { '^(?=p)': { type: 'number' } },
      additionalProperties: false,
    });
    expect(loosened).toHaveLength(6);
    const strings = { not: 'a', one: 'a', when: 'a', all: 'a', list: [1, 1], short: [1], extra: 1 };
    expect(check(strings)).toBe(true);
    expect(check({ all: 1 })).toBe(false);
    expect(check({ short: [1, 1] })).toBe(false);
  });

  test('a property may have the name of a keyword', () => {
    const { check } = fits({
      type: 'object',
      properties: { id: { type: 'string' }, pattern: { type: 'string' } },
    });
    expect(check({ id: 1 })).toBe(false);
    expect(check({ id: 'a', pattern: '(?!' })).toBe(true);
  });
});

describe('names of tools', () => {
  const inputSchema = { type: 'object' as const };
  const map = (names: string[], version = '') =>
    mapTools(
      'x',
      names.map((name) => ({ name, inputSchema })),
      { name: 's', version },
      {},
    );

  test('are mapped to the grammar', () => {
    expect(['Read File', 'a.b/c', 'Größe', 'ok_1-2'].map(tokenOf)).toEqual([
      'read_file',
      'a_b_c',
      'gr__e',
      'ok_1-2',
    ]);
  });

  test('empty, too long, too many, none and two of one name are refused', () => {
    for (const names of [
      [''],
      ['x'.repeat(65)],
      [],
      Array.from({ length: 257 }, (_, i) => `t${i}`),
      ['a b', 'a.b'],
    ]) {
      expect(() => map(names)).toThrow('[mount_failed]');
    }
  });

  test('the version is major.minor of the server, if it has one', () => {
    const of = (version: string) => map(['a'], version)[0]?.options.version;
    expect(['1.2.3', 'v0.6', '2026.8.31', '7', 'beta', '99999.1', ''].map(of)).toEqual([
      '1.2',
      '0.6',
      '2026.8',
      '1.0',
      '1.0',
      '1.0',
      '1.0',
    ]);
  });
});

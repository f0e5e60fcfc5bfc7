/** Usage and its price: exact, and never for free by accident. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Completion } from '../../src/adapters/llm/completion.js';
import { inputSchema, outputSchema } from '../../src/adapters/llm/contract.js';
import { retryAfterOf } from '../../src/adapters/llm/provider.js';
import { readProviderUsage } from '../../src/adapters/llm/usage.js';
import { withUsage } from '../../src/agent/used.js';
import { missingUnits, priceOf } from '../../src/domain/budget/price.js';
import { readUsage } from '../../src/wire/usage.js';
import { compilePolicy } from '../../src/domain/policy.js';
import { checkSchema } from '../../src/domain/schema-safety.js';
import { saidError } from '../../src/wire/said.js';

describe('a usage', () => {
  test.each([
    '{"tokens":-1}',
    '{"tokens":1.5}',
    '{"tokens":1e308}',
    '{"tokens":1e999}',
    '{"tokens":9007199254740992}',
    '{"tokens":"12"}',
    '{"tokens":null}',
    '{"tokens":NaN}',
    '{"tokens":12,"micros":-1}',
    '{"":1}',
    '{"to kens":1}',
    '{}',
    '[]',
    'null',
    '12',
    '',
    JSON.stringify(Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`u${i}`, i]))),
    `{"tokens":1${' '.repeat(1_024)}}`,
  ])('of %s is none', (text) => {
    expect(readUsage(text)).toBeUndefined();
  });

  test('of whole amounts is one', () => {
    expect(readUsage('{"tokens":0,"micros":9007199254740991}')).toEqual({ tokens: 0, micros: 2 ** 53 - 1 });
  });

  test.each([-1, 1.5, Number.NaN, Infinity, 1e308, 2 ** 53])('cannot be told with %s in it', (amount) => {
    expect(() => withUsage(undefined, { tokens: amount }, false)).toThrow(
      expect.objectContaining({ code: 'usage' }) as Error,
    );
  });

  test('grows by what is said later, and is a bound as long as the last word says so', () => {
    const first = withUsage(undefined, { tokens: 9, steps: 1 }, true);
    expect(withUsage(first, { tokens: 5 }, false)).toEqual({
      amounts: { tokens: 5, steps: 1 },
      bound: false,
    });
  });
});

describe('a price', () => {
  const prices = { promptTokens: 150_000, completionTokens: 600_000, cachedTokens: 75_000 };

  test.each([
    [{ promptTokens: 1_000_000 }, 150_000],
    [{ promptTokens: 1, completionTokens: 0 }, 1], // less than a micro is a whole one
    [{ promptTokens: 0, completionTokens: 0, tokens: 0 }, 0],
    [{ promptTokens: 100, cachedTokens: 40, completionTokens: 10, tokens: 110 }, 18], // 9 + 3 + 6
    [{ promptTokens: 100, completionTokens: 10, reasoningTokens: 10 }, 21], // no price of its own: as the others
    [{ promptTokens: 100_000_000, completionTokens: 100_000_000 }, 75_000_000],
  ])('of %j is %d', (usage, micros) => {
    expect(priceOf(usage, prices)).toEqual({ micros });
  });

  test.each([
    [{ promptTokens: 1, steps: 1 }, prices, 'steps'],
    [{ promptTokens: 1 }, {}, 'promptTokens'],
    [{ promptTokens: 1 }, { promptTokens: -1 }, 'promptTokens'],
    [{ promptTokens: 1 }, { promptTokens: 0.5 }, 'promptTokens'],
    [{ promptTokens: 1 }, { promptTokens: Number.NaN }, 'promptTokens'],
    [{ promptTokens: 10, cachedTokens: 11, completionTokens: 0 }, prices, 'promptTokens'],
    [
      { promptTokens: 2 ** 53 - 1, completionTokens: 1 },
      { promptTokens: 2 ** 53 - 1, completionTokens: 0 },
      'micros',
    ],
    [{ constructor: 1 }, prices, 'constructor'],
  ])('of %j by %j is none, for the want of %s', (usage, table, unit) => {
    expect(priceOf(usage as never, table)).toEqual({ unpriced: unit });
  });

  test('is never below the exact one, never a micro above it, and the same in any order', () => {
    const count = fc.nat(100_000_000);
    const price = fc.nat(1_000_000_000);
    fc.assert(
      fc.property(count, count, price, price, (promptTokens, completionTokens, input, output) => {
        const table = { promptTokens: input, completionTokens: output };
        const told = priceOf({ promptTokens, completionTokens }, table);
        const exact = BigInt(promptTokens) * BigInt(input) + BigInt(completionTokens) * BigInt(output);
        const micros = 'micros' in told ? BigInt(told.micros) : -1n;
        expect(micros * 1_000_000n).toBeGreaterThanOrEqual(exact);
        expect((micros - 1n) * 1_000_000n).toBeLessThan(exact === 0n ? 1n : exact);
        expect(priceOf({ completionTokens, promptTokens }, table)).toEqual(told);
      }),
      { numRuns: 500 },
    );
  });

  test('of tokens has both of their prices', () => {
    expect(missingUnits(prices)).toEqual([]);
    expect(missingUnits({ seconds: 1 })).toEqual([]);
    expect(missingUnits({ promptTokens: 1 })).toEqual(['completionTokens']);
    expect(missingUnits({ cachedTokens: 1 })).toEqual(['promptTokens', 'completionTokens']);
  });
});

describe('the usage of a provider', () => {
  const said = { prompt_tokens: 10, completion_tokens: 4 };

  test('is told in units of the mesh', () => {
    const details = {
      ...said,
      total_tokens: 99,
      prompt_tokens_details: { cached_tokens: 3 },
      completion_tokens_details: { reasoning_tokens: 2 },
    };
    const units = { promptTokens: 10, completionTokens: 4, tokens: 14, cachedTokens: 3, reasoningTokens: 2 };
    expect(readProviderUsage(details)).toEqual(units);
  });

  test.each([
    null,
    12,
    {},
    { prompt_tokens: 1 },
    { ...said, completion_tokens: -4 },
    { ...said, completion_tokens: 4.5 },
    { ...said, completion_tokens: Number.NaN },
    { ...said, completion_tokens: 1e308 },
    { ...said, prompt_tokens: 100_000_001 },
    { ...said, prompt_tokens_details: { cached_tokens: 11 } },
    { ...said, prompt_tokens_details: { cached_tokens: -1 } },
    { ...said, completion_tokens_details: { reasoning_tokens: 5 } },
  ])('%j is not believed', (value) => {
    expect(readProviderUsage(value)).toBeUndefined();
  });
});

describe('a completion', () => {
  test('is put together from its chunks: texts, tools, choices out of order', () => {
    const completion = new Completion('small', 5_000);
    const tool = (index: number, more: object): object => ({ tool_calls: [{ index, ...more }] });
    const add = (index: number, delta: object, finish_reason: string | null = null): void =>
      completion.add({ id: 'c', choices: [{ index, delta, finish_reason }] });
    add(1, { role: 'assistant', content: 'b' });
    add(0, { role: 'assistant', content: null });
    add(0, tool(0, { id: 't1', type: 'function', function: { name: 'find', arguments: '{"a"' } }));
    add(0, tool(1, { id: 't2', type: 'function', function: { name: 'get', arguments: '' } }));
    add(0, tool(0, { function: { arguments: ':1}' } }), 'tool_calls');
    expect(completion.done).toBe(false);
    add(1, { content: 'c' }, 'stop');
    expect(completion.done).toBe(true);
    expect(completion.value({ prompt_tokens: 1 })).toMatchObject({
      id: 'c',
      object: 'chat.completion',
      model: 'small',
      created: 5,
      choices: [
        {
          index: 0,
          finish_reason: 'tool_calls',
          message: {
            tool_calls: [
              { id: 't1', function: { name: 'find', arguments: '{"a":1}' } },
              { id: 't2', function: { name: 'get' } },
            ],
          },
        },
        { index: 1, finish_reason: 'stop', message: { content: 'bc' } },
      ],
      usage: { prompt_tokens: 1 },
    });
  });

  test('made of nonsense is still no harm', () => {
    const completion = new Completion('small', 0);
    completion.add({
      id: 1,
      model: {},
      choices: [1, null, [], { index: 'x', delta: { content: { a: 1 } } }],
    });
    completion.add(JSON.parse('{"choices":[{"index":0,"delta":{"__proto__":{"polluted":1}}}]}') as object);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(completion.done).toBe(false);
  });
});

test('the contract of models is one that the registrar takes', () => {
  expect(() => checkSchema(inputSchema, 'llm.chat', '/input')).not.toThrow();
  expect(() => checkSchema(outputSchema, 'llm.chat', '/output')).not.toThrow();
});

describe('Retry-After', () => {
  const now = Date.UTC(2026, 10, 21, 12);
  test.each([
    ['7', 7_000],
    ['0.5', 500],
    ['Sat, 21 Nov 2026 12:00:30 GMT', 30_000],
    ['Sat, 21 Nov 2026 11:00:00 GMT', 0],
    ['99999999999', undefined],
    ['soon', undefined],
    ['-1', undefined],
    [null, undefined],
  ])('%s is %s ms', (text, ms) => {
    expect(retryAfterOf(text, now)).toBe(ms);
  });
});

describe('what an agent says of its failure', () => {
  test('is believed for codes of providers, with bounded facts', () => {
    const error = saidError('llm', {
      code: 'provider_busy',
      details: { agent: 'bob', why: 'x'.repeat(900), retry_after_ms: 1e15 },
    } as never);
    expect(error).toMatchObject({ code: 'provider_busy', retry: 'later' });
    expect(error?.details).toEqual({ agent: 'llm', why: 'x'.repeat(500), retry_after_ms: 86_400_000 });
  });

  test.each([-1, 1.5, '7', null, Number.NaN])('says no time to wait with %s', (retryAfterMs) => {
    const error = saidError('llm', {
      code: 'provider_busy',
      details: { why: 'x', retry_after_ms: retryAfterMs },
    } as never);
    expect(error?.details).not.toHaveProperty('retry_after_ms');
  });

  test.each(['policy_denied', 'cancelled', 'no_such_code', undefined])('is no %s', (code) => {
    expect(saidError('llm', { code, message: 'x' } as never)).toBeUndefined();
  });
});

describe('meters', () => {
  const policy = (line: string): string => `version: 1\nroles: {}\nmembers: {}\n${line}\n`;

  test('are named by the policy', () => {
    const { meters } = compilePolicy(policy('meters: [llm, other]'), 'mesh.policy.yaml');
    expect([...meters]).toEqual(['llm', 'other']);
    expect([...compilePolicy(policy(''), 'mesh.policy.yaml').meters]).toEqual([]);
  });

  test.each(["meters: ['*']", 'meters: [Llm]', 'meters: llm', 'meters: [1.5]', 'meter: [llm]'])(
    'are not %s',
    (line) => {
      expect(() => compilePolicy(policy(line), 'mesh.policy.yaml')).toThrow(
        expect.objectContaining({ code: 'config_invalid' }) as Error,
      );
    },
  );
});

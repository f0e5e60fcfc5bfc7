import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ToolSchema } from '@modelcontextprotocol/sdk/types.js';
import { bearerOf, checkAddress } from '../../src/adapters/door/gate.js';
import { Catalogue, type Finder } from '../../src/adapters/serve-mcp/catalogue.js';
import { McpGuest } from '../../src/adapters/serve-mcp/guest.js';
import { LineGuard } from '../../src/adapters/serve-mcp/lines.js';
import { capabilityNamed, toolNamed } from '../../src/adapters/serve-mcp/names.js';
import { argumentsFor, resultFor } from '../../src/adapters/serve-mcp/schemas.js';
import { failed } from '../../src/adapters/serve-mcp/results.js';
import { address, isLoopback } from '../../src/cli/serve/address.js';
import type { FindOptions, Found } from '../../src/agent/index.js';
import { compile } from '../../src/domain/validator.js';
import { errorTable, type ErrorCode } from '../../src/wire/generated/errors.js';
import { meshError } from '../../src/wire/errors.js';
import { limits } from '../../src/wire/limits.js';

const token = fc.stringMatching(/^[a-z0-9_-]{1,12}$/);
const capability = fc.array(token, { minLength: 1, maxLength: 8 }).map((tokens) => tokens.join('.'));

describe('names of tools', () => {
  test('are those of capabilities, and read back', () => {
    expect(toolNamed('fs.read_text_file', 'plain')).toBe('fs__read_text_file');
    expect(toolNamed('fs.read_text_file', 'dots')).toBe('fs.read_text_file');
    expect(toolNamed('a__b._c', 'plain')).toBe('aUUb__Uc');
    expect(capabilityNamed('fs.read', 'plain')).toBe('fs.read');
    expect(capabilityNamed('fs__read', 'dots')).toBe('fs__read');
  });

  test('can always be read back, and fit what models and MCP take', () => {
    fc.assert(
      fc.property(capability, (name) => {
        const plain = toolNamed(name, 'plain') ?? '';
        expect(capabilityNamed(plain, 'plain')).toBe(name);
        expect(plain).toMatch(/^[a-zA-Z0-9_-]{1,128}$/);
        expect(capabilityNamed(toolNamed(name, 'dots') ?? '', 'dots')).toBe(name);
      }),
    );
  });

  test('no two capabilities share one', () => {
    const tight = fc.stringMatching(/^[a_.]{1,7}$/).filter((text) => /^[a_]+(\.[a_]+)*$/.test(text));
    fc.assert(
      fc.property(tight, tight, (one, other) => {
        expect(toolNamed(one, 'plain') === toolNamed(other, 'plain')).toBe(one === other);
      }),
      { numRuns: 2_000 },
    );
  });

  test('what no capability is called is not understood, what is too long not shown', () => {
    for (const name of ['', 'a___b', 'Fs__read', '__a', 'a__', 'a b', 'a..b', 'U'.repeat(200)]) {
      expect(capabilityNamed(name, 'plain'), `${name}`).toBeUndefined();
    }
    expect(toolNamed(`${'a'.repeat(64)}.${'b'.repeat(63)}`, 'dots')).toHaveLength(128);
    expect(toolNamed(`${'a'.repeat(64)}.${'b'.repeat(63)}`, 'plain')).toBeUndefined();
  });
});

describe('schemas of tools', () => {
  const shown = (input: object | boolean) => {
    const made = argumentsFor(input);
    ToolSchema.parse({ name: 'a', inputSchema: made.schema });
    return { wrapped: made.wrapped, fits: compile(made.schema), schema: made.schema };
  };

  test('what takes objects is shown as it is', () => {
    for (const input of [
      true,
      {},
      { type: ['object', 'null'], properties: { a: true, b: false } },
      { anyOf: [{ type: 'string' }, { type: 'object' }] },
      { $ref: '#/$defs/a', $defs: { a: { type: 'object' } } },
      { enum: ['a', { b: 1 }] },
      { $id: 'x', type: 'object' },
    ]) {
      expect(shown(input).wrapped, `${JSON.stringify(input)}`).toBe(false);
      expect(shown(input).schema).not.toHaveProperty('$id');
    }
    const { fits } = shown({ properties: { a: true, b: false } });
    expect(fits({ a: 1 })).toBeUndefined();
    expect(fits({ b: 1 })).toBeDefined();
    expect(shown(false).fits({})).toBeDefined();
  });

  test('what does not is the argument body, with references that still lead somewhere', () => {
    for (const input of [
      { type: 'integer' },
      { const: 1 },
      { enum: [1, 'a'] },
      { oneOf: [{ type: 'string' }, { type: 'array' }] },
      { allOf: [{}, { type: 'null' }] },
    ]) {
      expect(shown(input).wrapped, `${JSON.stringify(input)}`).toBe(true);
    }
    const { fits } = shown({
      type: 'array',
      items: { $ref: '#/$defs/row' },
      $defs: { row: { type: 'object', properties: { $ref: { type: 'string' } }, required: ['$ref'] } },
    });
    expect(fits({ body: [{ $ref: 'a' }] })).toBeUndefined();
    expect(fits({ body: [{ $ref: 1 }] })).toBeDefined();
    expect(fits({ body: {} })).toBeDefined();
    expect(fits({})).toBeDefined();
    expect(fits({ body: [], more: 1 })).toBeDefined();
  });

  test('results are promised only when they are objects and every client can check them', () => {
    const object = { type: 'object', properties: { a: { type: 'string' } } };
    expect(resultFor(object)).toEqual(object);
    expect(resultFor({ $ref: '#/$defs/a', $defs: { a: object } })).toMatchObject({ type: 'object' });
    for (const output of [
      true,
      {},
      { type: 'string' },
      { type: ['object', 'null'] },
      { type: 'object', properties: { a: { pattern: '(a+)+$' } } },
      { type: 'object', properties: { a: { prefixItems: [{}], items: false } } },
    ]) {
      expect(resultFor(output), `${JSON.stringify(output)}`).toBeUndefined();
    }
  });
});

describe('the list of tools', () => {
  type Capabilities = Found['capabilities'];
  const named = (name: string, description = ''): Capabilities[number] => {
    const facts = {
      major: 1,
      input: true,
      output: true,
      idempotent: false,
      readOnly: false,
      lifeMs: 600_000,
    };
    return { name, majors: [{ ...facts, description, instances: 1, offers: [] }] };
  };
  /** A control that holds these, in pages of so many, and what it was asked. */
  function control(
    all: Capabilities,
    perPage = 1_000,
  ): { find: Finder; asked: FindOptions[]; revision: string } {
    const made = { asked: [] as FindOptions[], revision: 'r1', find: undefined as unknown as Finder };
    made.find = (_, options) => {
      made.asked.push(options);
      if (options.known === made.revision) {
        return Promise.resolve({ revision: made.revision, unchanged: true, capabilities: [] });
      }
      const rest = all.filter(({ name }) => name > (options.after ?? ''));
      const cut = rest.length > perPage ? { truncated: true as const } : {};
      return Promise.resolve({ revision: made.revision, capabilities: rest.slice(0, perPage), ...cut });
    };
    return made;
  }
  const many = (count: number, description?: string): Capabilities =>
    Array.from({ length: count }, (_, i) => named(`a.n${String(i).padStart(5, '0')}`, description));
  async function everyPage(catalogue: Catalogue): Promise<{ names: string[]; pages: number }> {
    const names: string[] = [];
    let cursor: string | undefined;
    let pages = 0;
    do {
      const page = await catalogue.page(cursor);
      names.push(...page.tools.map(({ name }) => name));
      cursor = page.nextCursor;
      pages++;
    } while (cursor !== undefined);
    return { names, pages };
  }

  test('comes in pages, each tool once, from replies that were cut', async () => {
    const { find } = control(many(700, 'x'.repeat(2_000)), 64);
    const { names, pages } = await everyPage(new Catalogue(find, 'plain', () => undefined));
    expect(names).toHaveLength(700);
    expect(new Set(names).size).toBe(700);
    expect(pages).toBeGreaterThan(2);
  });

  test('is bounded, and the operator hears what is not shown', async () => {
    const said: string[] = [];
    const { find } = control(many(1_500));
    const { names } = await everyPage(new Catalogue(find, 'plain', (sentence) => void said.push(sentence)));
    expect(names).toHaveLength(limits.mcpTools);
    expect(said).toHaveLength(1);
    const long = control([named('a'.repeat(64)), named(`${'b'.repeat(64)}.${'c'.repeat(64)}`)]);
    const shown = await everyPage(new Catalogue(long.find, 'plain', (sentence) => void said.push(sentence)));
    expect(shown.names).toEqual(['a'.repeat(64)]);
    expect(said).toHaveLength(2);
  });

  test('is asked for once by all who ask at once, and stays while control is away', async () => {
    const source = control(many(3));
    const catalogue = new Catalogue(
      (...args) => source.find(...args),
      'plain',
      () => undefined,
    );
    await Promise.all(Array.from({ length: 50 }, () => catalogue.page()));
    expect(source.asked).toHaveLength(1);
    source.find = () => Promise.reject(meshError('unavailable', { waitedMs: 0, why: 'away' }));
    expect((await catalogue.page()).tools).toHaveLength(3);
    const never = new Catalogue(source.find, 'plain', () => undefined);
    await expect(never.page()).rejects.toThrow('[unavailable]');
    await expect(catalogue.page('Not A Cursor')).rejects.toThrow('cursor');
  });

  test('tells a change only when a tool changed', async () => {
    const all = many(3);
    const source = control(all);
    const catalogue = new Catalogue(source.find, 'plain', () => undefined);
    let changes = 0;
    const stop = catalogue.onChange(() => changes++);
    await catalogue.refresh();
    source.revision = 'r2';
    await catalogue.refresh();
    expect(changes).toBe(0);
    all.push(named('b'));
    source.revision = 'r3';
    await catalogue.refresh();
    expect(changes).toBe(1);
    expect(await catalogue.offered('b')).toMatchObject({ major: 1, wrapped: false });
    stop();
  });
});

describe('words of errors', () => {
  test('every error tells a model its code, what to do and whether to repeat', () => {
    for (const code of Object.keys(errorTable) as ErrorCode[]) {
      const { isError, content } = failed(meshError(code, {}), 'test');
      const [part] = content;
      const text = part?.type === 'text' ? part.text : '';
      expect(isError).toBe(true);
      expect(text).toContain(`[${code}] `);
      expect(text).toContain(`What now: ${errorTable[code].help}`);
      expect(text).toMatch(/^Repeat: \S/m);
    }
  });

  test('what is thrown that is no error of ours keeps its words here', () => {
    expect(JSON.stringify(failed(new Error('the password is x'), 'test'))).not.toContain('password');
  });
});

describe('lines over stdio', () => {
  /** Send chunks through a guard of 100 bytes; what passed, and what was dropped. */
  async function guarded(chunks: readonly string[]): Promise<{ passed: string; dropped: unknown[] }> {
    const dropped: unknown[] = [];
    const guard = new LineGuard({
      maxBytes: 100,
      answers: new PassThrough(),
      onTooLong: (bytes, id) => void dropped.push([bytes, id]),
    });
    let passed = '';
    guard.on('data', (chunk: Buffer) => void (passed += chunk.toString()));
    chunks.forEach((chunk) => guard.write(chunk));
    guard.end();
    await new Promise((resolve) => guard.once('end', resolve));
    return { passed, dropped };
  }
  const pad = 'x'.repeat(400);

  test('whole ones pass, however they are cut', async () => {
    expect(await guarded(['{"a":', '1}\n{"b"', ':2}\n', 'left over'])).toEqual({
      passed: '{"a":1}\n{"b":2}\n',
      dropped: [],
    });
  });

  test.each([
    [`{"jsonrpc":"2.0","id":7,"method":"m","params":{"a":"${pad}","id":8}}`, 7],
    [`{"id":"q-1","jsonrpc":"2.0","params":"${pad}"}`, 'q-1'],
    [`{"method":"m","params":{"a":"${pad}","id":1},"jsonrpc":"2.0","id":9}`, 9],
    [`{"method":"m","params":{"a":"${pad}","id":1}}`, null],
    [`{"method":"m","params":"${pad},\\"id\\":5}"}`, null],
  ])('a long one is dropped, and its id told if it can be (%.40s…)', async (line, id) => {
    const cut = [line.slice(0, 90), line.slice(90, 300), `${line.slice(300)}\n{"b":2}\n`];
    expect(await guarded(cut)).toEqual({ passed: '{"b":2}\n', dropped: [[line.length + 1, id]] });
    expect((await guarded([`${line}\n`])).dropped).toEqual([[line.length + 1, id]]);
  });

  test('nothing is taken in while answers are not read', async () => {
    const answers = new PassThrough({ highWaterMark: 1 });
    const guard = new LineGuard({ maxBytes: 100, answers, onTooLong: () => undefined });
    answers.write('an answer that nobody reads');
    let taken = 0;
    guard.write('{}\n', () => taken++);
    guard.resume();
    await new Promise((resolve) => setImmediate(resolve));
    expect(taken).toBe(0);
    answers.resume();
    await new Promise((resolve) => answers.once('drain', () => setImmediate(resolve)));
    expect(taken).toBe(1);
  });
});

describe('one client over HTTP', () => {
  /** A response that stays open, with this much that nobody has read. */
  const response = (method: string, unread = 0): ServerResponse =>
    Object.assign(new EventEmitter(), {
      req: { method },
      writableLength: unread,
    }) as unknown as ServerResponse;
  const guest = (): McpGuest => new McpGuest('desk', () => Promise.reject(new Error('nobody joins here')));

  test('has a bounded number of requests, until they end', () => {
    const one = guest();
    const all = Array.from({ length: limits.mcpRequests }, () => response('POST'));
    all.forEach((res) => one.count(res, 'token'));
    expect(() => one.count(response('POST'), 'token')).toThrow('[client_busy]');
    all[0]?.emit('close');
    expect(() => one.count(response('POST'), 'token')).not.toThrow();
  });

  test('must read its answers before it asks for more', () => {
    const one = guest();
    const res = response('POST', limits.mcpUnreadBytes + 1);
    one.count(res, 'token');
    expect(() => one.count(response('GET'), 'token')).toThrow('[client_busy]');
    res.emit('close');
    expect(() => one.count(response('GET'), 'token')).not.toThrow();
  });

  test('works while a request has no answer; who only listens does not', () => {
    const one = guest();
    one.count(response('GET'), 'token');
    expect(one.working).toBe(false);
    one.count(response('POST'), 'token');
    expect(one.working).toBe(true);
  });
});

describe('addresses', () => {
  const ask = (host: string, origin?: string, hosts: string[] = [], origins: string[] = []): string => {
    const headers = { host, ...(origin === undefined ? {} : { origin }) };
    try {
      checkAddress({ headers } as IncomingMessage, 4300, { hosts, origins });
      return 'served';
    } catch (err) {
      return (err as { code: string }).code;
    }
  };

  test('only names of this machine, and those allowed, are served', () => {
    for (const host of ['localhost', '127.0.0.1:4300', '[::1]:4300', 'LOCALHOST:1']) {
      expect(ask(host), `${host}`).toBe('served');
    }
    for (const host of [
      '',
      'evil.example',
      'evil.example:4300',
      '127.0.0.1.evil.example',
      'localhost.',
      '10.0.0.1',
    ]) {
      expect(ask(host), `${host}`).toBe('origin_denied');
    }
    expect(ask('mesh.example:443', undefined, ['mesh.example'])).toBe('served');
  });

  test('a page of another origin is not', () => {
    expect(ask('localhost:4300', 'http://localhost:4300')).toBe('served');
    for (const origin of [
      'null',
      'http://evil.example',
      'http://localhost:9',
      'https://localhost:4300',
      '',
    ]) {
      expect(ask('localhost:4300', origin), `${origin}`).toBe('origin_denied');
    }
    expect(ask('localhost', 'https://desk.example', [], ['https://desk.example'])).toBe('served');
  });

  test('a bearer token is one word', () => {
    const of = (authorization?: string) =>
      bearerOf({ headers: authorization === undefined ? {} : { authorization } } as IncomingMessage);
    expect([of('Bearer abc'), of('bearer  abc ')]).toEqual(['abc', 'abc']);
    expect([of(), of('Bearer'), of('Basic abc'), of('Bearer a b')]).toEqual(['', '', '', '']);
  });

  test('to listen on are [host:]port', () => {
    expect(address('4300')).toEqual({ host: '127.0.0.1', port: 4300 });
    expect(address('[::1]:0')).toEqual({ host: '::1', port: 0 });
    expect(address('0.0.0.0:80')).toEqual({ host: '0.0.0.0', port: 80 });
    for (const text of ['', 'a', '70000', ':1', 'a:b', '::1:80', '-1']) {
      expect(() => address(text), `${text}`).toThrow('[host:]port');
    }
    expect(
      ['127.0.0.1:1', 'localhost:1', '[::1]:1', '0.0.0.0:1', '10.1.1.1:1', '127.example:1'].map((a) =>
        isLoopback(address(a)),
      ),
    ).toEqual([true, true, true, false, false, false]);
  });
});

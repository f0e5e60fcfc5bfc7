/**
 * `mesh call`, `mesh calls` and `mesh agents`: output, help and exit codes, with the real command.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newCallId } from '../../src/agent/index.js';
import type { AgentPage, AgentsPage, CallPage, CallsPage } from '../../src/control/views/pages.js';
import { mesh as command, type Ran } from '../support/command.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';

let mesh: TestMesh;

beforeAll(async () => {
  mesh = await startTestMesh({
    users: { me: 'caller', shop: 'agent', stock: 'agent', gone: 'agent', vera: 'viewer' },
    policy: `version: 1
roles:
  everyone: { call: ['shop.>', 'stock.>', 'gone.>'], mayRoot: true }
  worker: { serve: ['>'], call: ['stock.>'] }
members: { me: [everyone], shop: [worker], stock: [worker], gone: [worker] }
`,
  });
  const stock = await mesh.connect('stock');
  await stock.serve('stock.read', { idempotent: true, description: 'counts' }, () => ({ left: 3 }));
  const shop = await mesh.connect('shop', { description: 'sells \u001b[2Jthings' });
  const input = { type: 'object', properties: { sku: { type: 'string' } }, required: ['sku'] };
  const query = { input, costMicros: 12, proficiency: 'expert' as const };
  await shop.serveAll([
    { name: 'shop.query', options: query, handler: (_: never, ctx) => ctx.call('stock.read', {}) },
    { name: 'shop.echo', options: {}, handler: (body: unknown) => ({ body }) },
    { name: 'shop.crop', options: { takes: ['json', 'bytes'], gives: ['bytes'] }, handler: (b: Buffer) => b },
    {
      name: 'shop.fail',
      options: {},
      handler: () => {
        throw new Error('out of \u001b[31mstock');
      },
    },
  ]);
  const gone = await mesh.connect('gone');
  await gone.serve('gone.work', () => ({}));
  await gone.close();
});
afterAll(() => mesh.stop());

const run = (args: readonly string[], stdin?: string): Promise<Ran> => command(args, { on: mesh, stdin });

const json = async <T>(...args: string[]): Promise<T> =>
  JSON.parse((await run([...args, '--json'])).out) as T;

describe('mesh call', () => {
  test('prints the result, and nothing else, on stdout', async () => {
    const { code, out, err } = await run(['call', 'shop.query', '{"sku":"a-1"}']);
    expect([code, JSON.parse(out), err]).toEqual([0, { left: 3 }, '']);
  });

  test('takes the body from stdin and from a file', async () => {
    const file = join(mesh.dir, 'body.json');
    writeFileSync(file, '{"from":"file"}');
    const fromStdin = await run(['call', 'shop.echo', '-'], '{"from":"stdin"}');
    const fromFile = await run(['call', 'shop.echo', `@${file}`]);
    const none = await run(['call', 'shop.echo']);
    expect([fromStdin, fromFile, none].map(({ out }) => JSON.parse(out) as unknown)).toEqual([
      { body: { from: 'stdin' } },
      { body: { from: 'file' } },
      { body: null },
    ]);
  });

  test('with --json it is one line, and the same id is the same outcome', async () => {
    const id = newCallId();
    const line = [
      'call',
      'shop.echo',
      '[1]',
      '--id',
      id,
      '--label',
      'team=docs',
      '--intent',
      'try',
      '--context',
      'c1',
    ];
    const first = await json<object>(...line);
    expect(first).toMatchObject({ status: 'completed', call: id, agent: 'shop', value: { body: [1] } });
    expect(await json<object>(...line)).toEqual(first);
    const { calls } = await json<CallPage>('calls', 'show', id);
    expect(calls).toMatchObject([{ labels: { team: 'docs' }, intent: 'try', context: 'c1' }]);
  });

  test.each([
    [['shop.echo', '{nope'], 2, 'usage'],
    [['shop.echo', ''], 2, 'usage'],
    [['shop.echo', '{"a":1,"a":2}'], 2, 'usage'],
    [['shop.echo', '@no-such-file'], 2, 'usage'],
    [['shop.echo', '{}', '--id', 'x'], 2, 'usage'],
    [['shop.echo', '{}', '--timeout', '0'], 2, 'usage'],
    [['shop.echo', '{}', '--label', 'nothing'], 2, 'usage'],
    [['shop.echo', '{}', '--bogus'], 2, 'usage'],
    [['Shop.Echo', '{}'], 2, 'name_invalid'],
    [['shop.*', '{}'], 2, 'name_invalid'],
    [['shop.fail', '{}'], 1, 'handler_failed'],
    [['shop.query', '{}'], 3, 'schema_violation'],
    [['vault.read', '{}'], 3, 'not_granted'],
    [['shop.nothing', '{}'], 3, 'capability_unknown'],
    [['gone.work', '{}', '--timeout', '1500'], 4, 'no_agent'],
  ])('%j exits with %i [%s]', async (args, code, error) => {
    const plain = await run(['call', ...args]);
    expect([plain.code, plain.out]).toEqual([code, '']);
    expect(plain.err).toContain(`[${error}]`);
    expect(plain.err).toContain('what now:');
    expect(plain.err).not.toContain('\u001b');
    const data = await run(['call', ...args, '--json']);
    expect(data.code).toBe(code);
    expect(JSON.parse(data.out)).toMatchObject({ error: { code: error } });
  });
});

describe('mesh calls', () => {
  test('ls lists the newest first', async () => {
    const id = newCallId();
    await run(['call', 'shop.query', '{"sku":"a-1"}', '--id', id]);
    const { out, code } = await run(['calls', 'ls', '--limit', '2']);
    const lines = out.trimEnd().split('\n');
    expect([code, lines.length]).toEqual([0, 3]);
    expect(lines[1]).toMatch(/^shop\.\w+ +┌ stock\.read +stock +completed/);
    expect(lines[2]).toContain(`me.${id}`);
    const { calls } = await json<CallsPage>('calls', 'ls', '--from', 'me', '--status', 'completed');
    expect(calls[0]).toMatchObject({ call: id, status: 'completed' });
  });

  test('show draws the tree, and tells of a refusal what to do', async () => {
    const id = newCallId();
    await run(['call', 'shop.query', '{"sku":"a-1"}', '--id', id]);
    const tree = await run(['calls', 'show', `me.${id}`]);
    expect(tree.out).toMatch(/^shop\.query +shop\/\S+ .* completed +me\.\w+ ◀$/m);
    expect(tree.out).toMatch(/^└─ stock\.read +stock\/\S+ .* completed +shop\.\w+$/m);
    const other = newCallId();
    await run(['call', 'vault.read', '{}', '--id', other]);
    const refused = await run(['calls', 'show', other]);
    expect(refused.out).toContain('[not_granted] me may not call vault.read');
    expect(refused.out).toContain('what now:');
  });

  test('show says what a waiting call waits for', async () => {
    const id = newCallId();
    const pending = run(['call', 'gone.work', '{}', '--id', id, '--timeout', '8000']);
    await until(async () => {
      const { calls } = await json<CallPage>('calls', 'show', id);
      return calls?.[0]?.status === 'parked';
    });
    const { out } = await run(['calls', 'show', id, '--as', 'vera']);
    expect(out).toMatch(/is parked and waits for capacity \(no live agent\), for .* until its deadline in /);
    expect((await pending).code).toBe(4);
  });

  test.each([
    [['ls', '--limit', '1001'], 2],
    [['ls', '--status', 'bogus'], 2],
    [['ls', '--from', 'a.b'], 2],
    [['show', 'a.b.c'], 2],
    [['show', newCallId()], 1],
    [['ls', '--as', 'me'], 3],
    [['ls', '--as', 'nobody'], 1],
  ])('%j exits with %i', async (args, code) => {
    expect((await run(['calls', ...args])).code).toBe(code);
  });
});

test('a command that does not exist is told with the one that was meant, on one line', async () => {
  const { code, err } = await run(['cal']);
  expect(code).toBe(2);
  expect(err.split('\n')[0]).toMatch(/^\[usage\] .*'cal'.*Did you mean call\?/);
  expect(err).not.toContain('\\u000a');
});

describe('mesh agents', () => {
  test('ls lists who is there, also by capability', async () => {
    const { out } = await run(['agents', 'ls']);
    expect(out).toMatch(/^gone +none .* gone\.work$/m);
    expect(out).toMatch(/^shop +1 +0 of 16 +shop\.query shop\.echo shop\.crop shop\.fail$/m);
    const { agents } = await json<AgentsPage>('agents', 'ls', 'stock.*');
    expect(agents.map(({ agent }) => agent)).toEqual(['stock']);
    expect((await run(['agents', 'ls', 'a..b'])).code).toBe(2);
  });

  test('show prints card and schemas, with nothing in them that steers the terminal', async () => {
    const { out } = await run(['agents', 'show', 'shop']);
    expect(out).toContain('sells \\u001b[2Jthings');
    expect(out).toMatch(/^shop\.query 1\.0 +at most one dispatch, expert, 12 micros a call$/m);
    expect(out).toContain('"required"');
    const large = ', large ones by reference';
    expect(out).toMatch(
      new RegExp(`^shop\\.query .*\n  takes json, msgpack${large}\n  gives json${large}\n  input {`, 'm'),
    );
    expect(out).toMatch(
      new RegExp(`^shop\\.crop .*\n  takes json, bytes${large}\n  gives bytes${large}\n`, 'm'),
    );
    expect(out).not.toContain('\u001b');
    const page = await json<AgentPage>('agents', 'show', 'stock');
    expect(page.card.capabilities).toMatchObject([{ name: 'stock.read', idempotent: true }]);
    expect((await run(['agents', 'show', 'nobody'])).err).toContain('[not_found]');
  });
});

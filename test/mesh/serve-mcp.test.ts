/**
 * The mesh as an MCP server over stdio: `mesh serve mcp` as a process, and the SDK's own client.
 */
import { existsSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import { ToolListChangedNotificationSchema, type JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { mountMcp } from '../../src/adapters/mcp.js';
import { Member } from '../../src/adapters/serve-mcp/member.js';
import { limits } from '../../src/wire/limits.js';
import { openLab, type Lab } from '../support/lab.js';
import { codeOf, leaveAll, overStdio, textOf, toolsOf, use, type TestClient } from '../support/mcp-client.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';

const FILE_SERVER = createRequire(import.meta.url).resolve(
  '@modelcontextprotocol/server-filesystem/dist/index.js',
);
const TEST_SERVER = fileURLToPath(new URL('../support/mcp-server.mjs', import.meta.url));

const policy = (more = ''): string => `version: 1
roles:
  everything: { call: ['>'], mayRoot: true }
  reader: { call: ['lab.echo', 'fs.read_text_file', 'fs.list_directory'], mayRoot: true }
  rootless: { call: ['>'] }
  worker: { serve: ['>'] }
members:
  alice: [everything]
  bob: [reader${more}]
  carol: [rootless]
  lab: [worker]
  extra: [worker]
  fs: [worker]
  tools: [worker]
`;

let mesh: TestMesh;
let lab: Lab;
let folder: string;

beforeAll(async () => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'capmesh-serve-')));
  const callers = { alice: 'caller', bob: 'caller', carol: 'caller' } as const;
  const agents = { lab: 'agent', extra: 'agent', fs: 'agent', tools: 'agent' } as const;
  mesh = await startTestMesh({ policy: policy(), users: { ...callers, ...agents } });
  lab = await openLab(await mesh.connect('lab', { concurrency: 200 }));
  const command = process.execPath;
  await mountMcp(await mesh.connect('fs'), { as: 'fs', command, args: [FILE_SERVER, folder] });
  await mountMcp(await mesh.connect('tools'), { as: 'tools', command, args: [TEST_SERVER] });
});
afterEach(async () => {
  lab.release();
  await leaveAll();
});
afterAll(async () => {
  await mesh.stop();
  rmSync(folder, { recursive: true, force: true });
});

const serve = (as: string, ...more: string[]): Promise<TestClient> =>
  overStdio(['serve', 'mcp', '--as', as, '--data', mesh.dir, '--url', mesh.url, ...more]);

describe('tools', () => {
  test('are the capabilities its user may call, with schemas and hints', async () => {
    const { client } = await serve('bob');
    expect(client.getServerVersion()).toMatchObject({ name: 'capmesh', title: 'capmesh, as bob' });
    const { tools, nextCursor } = await client.listTools();
    expect(nextCursor).toBeUndefined();
    expect(tools.map(({ name }) => name)).toEqual(['fs__list_directory', 'fs__read_text_file', 'lab__echo']);
    expect(tools[2]).toMatchObject({
      title: 'lab.echo',
      description: 'Says it again.',
      inputSchema: { type: 'object', required: ['text'] },
      outputSchema: { type: 'object', required: ['text'] },
      annotations: { readOnlyHint: true, idempotentHint: true },
      _meta: { 'capmesh/capability': 'lab.echo', 'capmesh/major': 1 },
    });
  });

  test('keep their dots if that is wanted', async () => {
    const guest = await serve('bob', '--names', 'dots');
    expect(await toolsOf(guest)).toContain('lab.echo');
    expect(codeOf(await use(guest, 'lab.echo', { text: 'a' }))).toBe('completed');
  });

  test('give results as text and as objects; what is no object goes in as the argument body', async () => {
    const guest = await serve('alice');
    await toolsOf(guest);
    const echo = await guest.client.callTool({ name: 'lab__echo', arguments: { text: 'hello' } });
    expect(echo).toMatchObject({
      structuredContent: { text: 'hello' },
      content: [{ type: 'text', text: '{"text":"hello"}' }],
      _meta: { 'capmesh/outcome': { status: 'completed', agent: 'lab', attempt: 1 } },
    });
    const square = await use(guest, 'lab__square', { body: 12 });
    expect([textOf(square), square.structuredContent]).toEqual(['144', undefined]);
    expect(codeOf(await use(guest, 'lab__square'))).toBe('schema_violation');
    expect(textOf(await use(guest, 'lab__list'))).toBe('[1,2]');
  });
});

describe('a mounted MCP server behind the mesh', () => {
  test('is reached, and what it refuses is told in its words', async () => {
    writeFileSync(join(folder, 'a.txt'), 'one\ntwo\n');
    const guest = await serve('bob');
    const read = await use(guest, 'fs__read_text_file', { path: join(folder, 'a.txt') });
    expect(read.structuredContent).toEqual({ content: 'one\ntwo\n' });
    const outside = await use(guest, 'fs__read_text_file', { path: '/etc/passwd' });
    expect(codeOf(outside)).toBe('handler_failed');
    expect(textOf(outside)).toContain('Access denied');
  });

  test('does nothing that its user may not have done', async () => {
    const guest = await serve('bob');
    const path = join(folder, 'b.txt');
    const write = await use(guest, 'fs__write_file', { path, content: 'x' });
    expect(codeOf(write)).toBe('not_granted');
    expect(existsSync(path)).toBe(false);
    const nowhere = await use(guest, 'no__such_tool');
    expect(codeOf(nowhere)).toBe('not_granted'); // what it may not call does not exist for it
    expect(codeOf(await use(await serve('alice'), 'fs__write_file', { path, content: 'x' }))).toBe(
      'completed',
    );
    expect(existsSync(path)).toBe(true);
  });

  test('content of a tool without an output schema arrives as it was', async () => {
    const result = await use(await serve('alice'), 'tools__env');
    expect(result.structuredContent).toBeUndefined();
    expect(result.content).toEqual([{ type: 'text', text: expect.stringContaining('PATH') }]);
  });
});

describe('a no', () => {
  test('is a result that says why, what to do, whether to repeat, and which call it was', async () => {
    const result = await use(await serve('bob'), 'lab__fail');
    const { call } = (result._meta?.['capmesh/error'] ?? {}) as { call?: string };
    expect(textOf(result).split('\n')).toEqual([
      '[not_granted] bob may not call lab.fail',
      expect.stringMatching(/^What now: .+mesh\.policy\.yaml/),
      expect.stringMatching(/^Repeat: ./),
      'Outcome: refused',
      `Call: ${call}`,
    ]);
    expect(call).toMatch(/^[0-9a-z]{26}$/);
  });

  test.each([
    { as: 'alice', tool: 'lab__echo', args: { text: 1 }, code: 'schema_violation' },
    { as: 'alice', tool: 'lab__fail', args: {}, code: 'handler_failed' },
    { as: 'alice', tool: 'lab__nothing', args: {}, code: 'capability_unknown' },
    { as: 'carol', tool: 'lab__echo', args: { text: 'a' }, code: 'root_denied' },
    { as: 'alice', tool: 'Lab Echo', args: {}, code: 'name_invalid' },
  ])('$as calls $tool: $code', async ({ as, tool, args, code }) => {
    expect(codeOf(await use(await serve(as), tool, args))).toBe(code);
  });

  test('a call that takes too long ends as the mesh ends it', async () => {
    const result = await use(await serve('alice', '--timeout', '1000'), 'lab__slow');
    expect(result._meta?.['capmesh/error']).toMatchObject({
      status: expect.stringMatching(/unknown|failed/),
    });
    expect(lab.aborted).toContain('deadline_exceeded');
  });

  test('a message of 10 MB is refused, and the session goes on', async () => {
    const guest = await serve('alice');
    const large = await use(guest, 'lab__echo', { text: 'x'.repeat(10_000_000) }).then(textOf, String);
    expect(large).toContain('[body_too_large]');
    const medium = await use(guest, 'lab__echo', { text: 'x'.repeat(1_500_000) });
    expect(codeOf(medium)).toBe('completed'); // more than a message holds goes by reference
    expect(codeOf(await use(guest, 'lab__echo', { text: 'small' }))).toBe('completed');
  });
});

describe('a running call', () => {
  test('is cancelled on the mesh when the client cancels it', async () => {
    const guest = await serve('alice');
    const before = lab.started.length;
    const abort = new AbortController();
    const call = use(guest, 'lab__slow', { n: 1 }, { signal: abort.signal });
    await until(() => lab.started.length > before);
    lab.aborted.length = 0;
    abort.abort('enough');
    await expect(call).rejects.toThrow('enough');
    await until(() => lab.aborted.includes('cancelled'));
  });

  test('ends on the mesh too when it is cancelled at once, if it began at all', async () => {
    const guest = await serve('alice');
    await use(guest, 'lab__echo', { text: 'warm' });
    const before = lab.started.length;
    lab.aborted.length = 0;
    const calls = Array.from({ length: 50 }, () => {
      const abort = new AbortController();
      const call = use(guest, 'lab__slow', { at: 'once' }, { signal: abort.signal });
      abort.abort('at once');
      return call;
    });
    expect((await Promise.allSettled(calls)).every(({ status }) => status === 'rejected')).toBe(true);
    expect(codeOf(await use(guest, 'lab__echo', { text: 'next' }))).toBe('completed');
    await until(() => lab.aborted.length === lab.started.length - before);
    expect(new Set(lab.aborted)).toEqual(new Set(lab.aborted.length === 0 ? [] : ['cancelled']));
    expect(lab.started.length - before).toBeLessThan(50);
  });

  test('does not begin when its cancellation overtakes it', async () => {
    const [ours, theirs] = InMemoryTransport.createLinkedPair();
    const options = { names: 'plain', timeoutMs: 5_000, version: '0', say: () => undefined } as const;
    const member = new Member(await mesh.connect('alice'), options);
    await member.join(theirs);
    const answers: JSONRPCMessage[] = [];
    ours.onmessage = (message) => void answers.push(message);
    await ours.start();
    const before = lab.started.length;
    const jsonrpc = '2.0';
    await ours.send({ jsonrpc, method: 'notifications/cancelled', params: { requestId: 7 } });
    await ours.send({ jsonrpc, id: 7, method: 'tools/call', params: { name: 'lab__slow', arguments: {} } });
    await ours.send({
      jsonrpc,
      id: 8,
      method: 'tools/call',
      params: { name: 'lab__echo', arguments: { text: 'a' } },
    });
    await until(() => answers.length === 2);
    expect(answers).toEqual([
      expect.objectContaining({ id: 7, result: expect.objectContaining({ isError: true }) }),
      expect.objectContaining({
        id: 8,
        result: expect.objectContaining({ structuredContent: { text: 'a' } }),
      }),
    ]);
    expect(lab.started.length).toBe(before);
    await member.close();
  });

  test('gives signs to a client that wants progress', async () => {
    const guest = await serve('alice');
    const heard: { progress: number; message?: string | undefined }[] = [];
    const call = use(guest, 'lab__slow', {}, { onprogress: (one) => void heard.push(one) });
    await until(() => heard.length === 2);
    lab.release();
    expect(codeOf(await call)).toBe('completed');
    expect(heard.map(({ progress }) => progress)).toEqual([1, 2]);
    expect(heard[0]?.message).toMatch(/^lab\.slow: no outcome after \d s/);
  });

  test('hands on the partial outputs of a call to a client that wants progress, in order', async () => {
    const guest = await serve('alice');
    const heard: (string | undefined)[] = [];
    const call = use(guest, 'lab__parts', {}, { onprogress: ({ message }) => void heard.push(message) });
    expect(codeOf(await call)).toBe('completed');
    expect(heard).toEqual(['one', '{"n":2}', '3']);
  });

  test('a flood is refused call by call, and another client does not notice', async () => {
    const [flooding, other] = await Promise.all([serve('alice'), serve('bob')]);
    const codes: string[] = [];
    const flood = Array.from({ length: 1_000 }, () =>
      use(flooding, 'lab__slow').then((result) => void codes.push(codeOf(result))),
    );
    await until(() => codes.length === 1_000 - limits.mcpCalls);
    expect(new Set(codes)).toEqual(new Set(['client_busy']));
    const began = performance.now();
    expect(codeOf(await use(other, 'lab__echo', { text: 'me too' }))).toBe('completed');
    expect(performance.now() - began).toBeLessThan(2_000);
    lab.release();
    await Promise.all(flood);
    expect(codes.filter((code) => code === 'completed')).toHaveLength(limits.mcpCalls);
    expect(codeOf(await use(flooding, 'lab__echo', { text: 'afterwards' }))).toBe('completed');
  });
});

describe('a change', () => {
  test('of agents or grants is told, and the list is another', async () => {
    const guest = await serve('bob');
    let changes = 0;
    guest.client.setNotificationHandler(ToolListChangedNotificationSchema, () => void changes++);
    expect(await toolsOf(guest)).not.toContain('fresh__tool');
    const extra = await mesh.connect('extra');
    await extra.serve('fresh.tool', () => ({}));
    await extra.serve('lab.more', () => ({}));
    writeFileSync(
      mesh.policyFile,
      policy(', more').replace('  worker:', "  more: { call: ['fresh.>'] }\n  worker:"),
    );
    await until(() => changes > 0);
    expect(await toolsOf(guest)).toContain('fresh__tool');
    expect(await toolsOf(guest)).not.toContain('lab__more');
    const told = changes;
    writeFileSync(mesh.policyFile, policy());
    await until(() => changes > told);
    expect(await toolsOf(guest)).not.toContain('fresh__tool');
  });
});

describe('the process', () => {
  const ended = async ({ transport }: TestClient, how: () => void): Promise<void> => {
    const gone = new Promise<void>((resolve) => (transport.onclose = resolve));
    how();
    await gone;
  };
  const pidOf = ({ transport }: TestClient): number => (transport as { pid: number }).pid;

  test('says on stderr who it is, and ends on a signal', async () => {
    const guest = await serve('bob');
    await until(() => guest.said().includes('as bob'));
    const pid = pidOf(guest);
    await ended(guest, () => process.kill(pid, 'SIGTERM'));
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });

  test('a client that leaves takes its calls with it', async () => {
    const guest = await serve('alice');
    const before = lab.started.length;
    use(guest, 'lab__slow').catch(() => undefined);
    await until(() => lab.started.length > before);
    lab.aborted.length = 0;
    const pid = pidOf(guest);
    await guest.client.close();
    await until(() => lab.aborted.includes('cancelled'));
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });
});

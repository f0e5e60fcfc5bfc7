/**
 * The mesh as an MCP server over streamable HTTP: tokens, sessions, bounds, and what must not come in.
 */
import { request, type IncomingHttpHeaders } from 'node:http';
import { ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import type { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { HttpDoor } from '../../src/adapters/serve-mcp/http.js';
import { Member } from '../../src/adapters/serve-mcp/member.js';
import { limits } from '../../src/wire/limits.js';
import { openLab, type Lab } from '../support/lab.js';
import { codeOf, leaveAll, overHttp, textOf, toolsOf, use, type TestClient } from '../support/mcp-client.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';

const policy = `version: 1
roles:
  everything: { call: ['>'], mayRoot: true }
  narrow: { call: ['lab.echo'], mayRoot: true }
  worker: { serve: ['>'] }
members:
  alice: [everything]
  bob: [narrow]
  lab: [worker]
  extra: [worker]
`;
const tokens = new Map([
  ['token-a', 'alice'],
  ['token-b', 'bob'],
]);

let mesh: TestMesh;
let lab: Lab;
let door: HttpDoor;
/** How often the door asked for the user of a token: at each request, and of sessions twice a second. */
let looks = 0;
/** Users that joined the mesh, in order. */
const joined: string[] = [];

beforeAll(async () => {
  const users = { alice: 'caller', bob: 'caller', lab: 'agent', extra: 'agent' } as const;
  mesh = await startTestMesh({ policy, users });
  lab = await openLab(await mesh.connect('lab', { concurrency: 200 }));
  door = await openDoor();
});
afterEach(async () => {
  lab.release();
  await leaveAll();
  tokens.set('token-a', 'alice');
});
afterAll(async () => {
  await door.close();
  await mesh.stop();
});

function openDoor(port = 0): Promise<HttpDoor> {
  return HttpDoor.open({
    host: '127.0.0.1',
    port,
    allowed: { hosts: [], origins: [] },
    who: (bearer) => {
      looks++;
      return tokens.get(bearer);
    },
    join: async (user) => {
      joined.push(user);
      const options = { names: 'plain', timeoutMs: 30_000, version: '0', say: () => undefined } as const;
      return new Member(await mesh.connect(user), options);
    },
  });
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** One request as it is given: fetch would not send any Host or Origin. */
function raw(method: string, headers: Record<string, string>, body = '', path = '/mcp'): Promise<Answer> {
  const { hostname, port } = new URL(door.url);
  return new Promise((resolve, reject) => {
    const req = request({ hostname, port, path, method, headers }, (res) => {
      let text = '';
      res.on('data', (chunk: Buffer) => void (text += chunk.toString()));
      res.on('end', () => resolve({ status: res.statusCode ?? 0, headers: res.headers, text }));
    });
    req.on('error', reject);
    req.end(body);
  });
}

const HEADERS = {
  authorization: 'Bearer token-a',
  accept: 'application/json, text/event-stream',
  'content-type': 'application/json',
};
const initialize = JSON.stringify({
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'raw', version: '1' } },
});

async function begin(token = 'token-a'): Promise<Record<string, string>> {
  const { status, headers } = await raw('POST', { ...HEADERS, authorization: `Bearer ${token}` }, initialize);
  expect(status).toBe(200);
  return {
    ...HEADERS,
    authorization: `Bearer ${token}`,
    'mcp-session-id': String(headers['mcp-session-id']),
  };
}

const codeIn = ({ text }: Answer): string | undefined =>
  (JSON.parse(text) as { error?: { data?: { code: string } } }).error?.data?.code;

describe('a token', () => {
  test('says who a client is: its tools, its grants, its name in the records', async () => {
    const [alice, bob] = await Promise.all([overHttp(door.url, 'token-a'), overHttp(door.url, 'token-b')]);
    expect(await toolsOf(bob)).toEqual(['lab__echo']);
    expect(await toolsOf(alice)).toContain('lab__slow');
    expect(codeOf(await use(bob, 'lab__fail'))).toBe('not_granted');
    expect(codeOf(await use(alice, 'lab__fail'))).toBe('handler_failed');
    expect((await use(bob, 'lab__echo', { text: 'b' })).structuredContent).toEqual({ text: 'b' });
    expect(alice.client.getServerVersion()?.title).toBe('capmesh, as alice');
  });

  test.each([
    ['none', undefined],
    ['an unknown one', 'Bearer nonsense'],
    ['an empty one', 'Bearer '],
    ['another scheme', `Basic ${Buffer.from('alice:token-a').toString('base64')}`],
    ['the name of a user', 'Bearer alice'],
  ])('%s lets nobody in', async (_, authorization) => {
    const { authorization: _own, ...headers } = HEADERS;
    const answer = await raw(
      'POST',
      authorization === undefined ? headers : { ...headers, authorization },
      initialize,
    );
    expect([answer.status, codeIn(answer)]).toEqual([401, 'token_unknown']);
    expect(answer.headers['www-authenticate']).toContain('Bearer');
  });

  test('that is taken back ends the sessions it began', async () => {
    const guest = await overHttp(door.url, 'token-a');
    const before = lab.started.length;
    lab.aborted.length = 0;
    use(guest, 'lab__slow').catch(() => undefined);
    await until(() => lab.started.length > before);
    tokens.delete('token-a');
    await until(() => lab.aborted.includes('cancelled'));
    await expect(use(guest, 'lab__echo', { text: 'a' })).rejects.toThrow('token_unknown');
  });

  test('does not open the session of another', async () => {
    const session = await begin('token-a');
    const list = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
    const stolen = await raw('POST', { ...session, authorization: 'Bearer token-b' }, list);
    expect([stolen.status, codeIn(stolen)]).toEqual([404, 'session_unknown']);
    const ended = await raw('DELETE', { ...session, authorization: 'Bearer token-b' });
    expect(ended.status).toBe(404);
    expect((await raw('POST', session, list)).text).toContain('lab__echo');
  });
});

describe('an address', () => {
  test.each([
    ['a name that a page made resolve to us', { host: 'evil.example' }],
    ['a page of another origin', { origin: 'https://evil.example' }],
    ['a page without an origin', { origin: 'null' }],
  ])('%s is refused before its token is looked at', async (_, headers) => {
    const answer = await raw('POST', { ...HEADERS, ...headers }, initialize);
    expect([answer.status, codeIn(answer)]).toEqual([403, 'origin_denied']);
  });

  test('other paths, methods and types are refused', async () => {
    expect((await raw('POST', HEADERS, initialize, '/')).status).toBe(404);
    expect((await raw('PUT', HEADERS, initialize)).status).toBe(405);
    expect((await raw('POST', { ...HEADERS, 'content-type': 'text/plain' }, initialize)).status).toBe(415);
    expect((await raw('POST', { ...HEADERS, accept: 'text/html' }, initialize)).status).toBe(406);
    const broken = await raw('POST', HEADERS, '{"jsonrpc":');
    expect([broken.status, codeIn(broken)]).toEqual([400, 'body_undecodable']);
  });

  test('that is in use is said', async () => {
    await expect(openDoor(Number(new URL(door.url).port))).rejects.toMatchObject({ code: 'port_in_use' });
  });
});

describe('a session', () => {
  test('that ended, or never was, is told apart from none', async () => {
    const list = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
    expect((await raw('POST', HEADERS, list)).status).toBe(400);
    expect((await raw('GET', HEADERS)).status).toBe(400);
    const gone = await raw('POST', { ...HEADERS, 'mcp-session-id': 'no-such' }, list);
    expect([gone.status, codeIn(gone)]).toEqual([404, 'session_unknown']);
    const session = await begin();
    expect((await raw('DELETE', session)).status).toBe(200);
    expect((await raw('POST', session, list)).status).toBe(404);
  });

  test('hears of changes, and a client has one connection to the mesh for all of its sessions', async () => {
    await until(async () => (await raw('POST', { ...HEADERS, 'mcp-session-id': 'x' }, '{}')).status === 404);
    joined.length = 0;
    const [one, other] = await Promise.all([overHttp(door.url, 'token-a'), overHttp(door.url, 'token-a')]);
    let changes = 0;
    for (const { client } of [one, other]) {
      client.setNotificationHandler(ToolListChangedNotificationSchema, () => void changes++);
    }
    await toolsOf(one);
    await (await mesh.connect('extra')).serve('fresh.tool', () => ({}));
    await until(() => changes === 2);
    expect(await toolsOf(other)).toContain('fresh__tool');
    expect(joined.length).toBeLessThanOrEqual(1); // none if that of the test before was still there
  });

  test('that nobody used or listened to for long ends', async () => {
    const unused = await begin();
    const listening = await begin();
    const { hostname, port } = new URL(door.url);
    const req = request({ hostname, port, path: '/mcp', headers: listening });
    const list = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
    await new Promise((resolve) =>
      req
        .on('response', resolve)
        .on('error', () => undefined)
        .end(),
    );
    const now = performance.now.bind(performance);
    const later = vi.spyOn(performance, 'now').mockImplementation(() => now() + limits.mcpSessionIdleMs);
    try {
      const looked = looks;
      await until(() => looks > looked + 1);
      expect((await raw('POST', unused, list)).status).toBe(404);
      expect((await raw('POST', listening, list)).text).toContain('lab__echo');
    } finally {
      later.mockRestore();
      req.destroy();
    }
  });

  test('gives way when a client has too many', async () => {
    const first = await begin('token-b');
    for (let i = 0; i < limits.mcpSessions; i++) {
      await begin('token-b');
    }
    const list = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
    expect((await raw('POST', first, list)).status).toBe(404);
    expect((await raw('POST', await begin('token-b'), list)).status).toBe(200);
  });
});

describe('too much', () => {
  test('10 MB are refused with words, and the client goes on', async () => {
    const guest = await overHttp(door.url, 'token-a');
    const large = await use(guest, 'lab__echo', { text: 'x'.repeat(10_000_000) }).then(textOf, String);
    expect(large).toContain('[body_too_large]');
    const medium = await use(guest, 'lab__echo', { text: 'x'.repeat(1_500_000) });
    expect(codeOf(medium)).toBe('completed'); // more than a message holds goes by reference
    expect(codeOf(await use(guest, 'lab__echo', { text: 'small' }))).toBe('completed');
    const announced = { ...(await begin()), 'content-length': '10000000' };
    expect((await raw('POST', announced, 'x'.repeat(10_000_000))).status).toBe(413);
    const unannounced = { ...(await begin()), 'transfer-encoding': 'chunked' };
    expect((await raw('POST', unannounced, 'x'.repeat(10_000_000))).status).toBe(413);
  });

  test('a value that is too deep is one refused call', async () => {
    const session = await begin();
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    const call = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"lab__echo","arguments":{"text":${deep}}}}`;
    const answer = await raw('POST', session, call);
    expect(answer.text).toMatch(/body_too_deep|body_undecodable/);
    const guest = await overHttp(door.url, 'token-a');
    expect(codeOf(await use(guest, 'lab__echo', { text: 'a' }))).toBe('completed');
  });

  test('a flood of calls is refused one by one, and others do not notice', async () => {
    const flooding = await overHttp(door.url, 'token-a');
    const other = await overHttp(door.url, 'token-b');
    const codes: string[] = [];
    const flood = Array.from({ length: 500 }, () =>
      use(flooding, 'lab__slow').then((result) => void codes.push(codeOf(result))),
    );
    await until(() => codes.length === 500 - limits.mcpCalls);
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

describe('lists', () => {
  test('that one client asks for all at once are refused, not gathered', async () => {
    const guest = await overHttp(door.url, 'token-a');
    const session = await begin();
    const list = (id: number): string => JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/list' });
    const batch = `[${Array.from({ length: 100 }, (_, i) => list(i + 1)).join(',')}]`;
    const { text } = await raw('POST', session, batch);
    expect(text.split('"tools":').length - 1).toBe(limits.mcpLists);
    expect(text.split('[client_busy]').length - 1).toBe(100 - limits.mcpLists);
    expect(await toolsOf(guest)).toContain('lab__echo');
  });
});

describe('a running call', () => {
  test.each([
    ['by the client', (_: TestClient, abort: AbortController) => Promise.resolve(abort.abort('enough'))],
    [
      'by the end of its session',
      ({ transport }: TestClient) => (transport as StreamableHTTPClientTransport).terminateSession(),
    ],
  ])('is cancelled on the mesh %s', async (_, end) => {
    const guest = await overHttp(door.url, 'token-a');
    const before = lab.started.length;
    lab.aborted.length = 0;
    const abort = new AbortController();
    use(guest, 'lab__slow', {}, { signal: abort.signal }).catch(() => undefined);
    await until(() => lab.started.length > before);
    await end(guest, abort);
    await until(() => lab.aborted.length > 0);
    expect(lab.aborted).toEqual(['cancelled']);
  });

  test('goes on when the client only loses its connection', async () => {
    const session = await begin();
    const before = lab.started.length;
    lab.aborted.length = 0;
    const { hostname, port } = new URL(door.url);
    const req = request({ hostname, port, path: '/mcp', method: 'POST', headers: session });
    req.on('error', () => undefined);
    const params = { name: 'lab__slow', arguments: {} };
    req.end(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }));
    await until(() => lab.started.length > before);
    req.destroy();
    const guest = await overHttp(door.url, 'token-a');
    expect(codeOf(await use(guest, 'lab__echo', { text: 'a' }))).toBe('completed');
    expect(lab.aborted).toEqual([]);
  });

  test('gives signs to a client that wants progress', async () => {
    const guest = await overHttp(door.url, 'token-a');
    const heard: number[] = [];
    const call = use(guest, 'lab__slow', {}, { onprogress: ({ progress }) => void heard.push(progress) });
    await until(() => heard.length === 1);
    lab.release();
    expect(codeOf(await call)).toBe('completed');
  });

  test('may end before the door closes', async () => {
    const second = await openDoor();
    const guest = await overHttp(second.url, 'token-a');
    const before = lab.started.length;
    const call = use(guest, 'lab__slow');
    await until(() => lab.started.length > before);
    const closed = second.close();
    lab.release();
    expect(codeOf(await call)).toBe('completed');
    await closed;
  });
});

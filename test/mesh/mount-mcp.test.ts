/**
 * Mounted MCP servers: the reference ones, those over HTTP, and how a mounted process ends.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { mountMcp, type Mounted, type MountOptions } from '../../src/adapters/mcp.js';
import { HttpDoor } from '../../src/adapters/serve-mcp/http.js';
import { Member } from '../../src/adapters/serve-mcp/member.js';
import type { Mesh, MeshError } from '../../src/agent/index.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';
import { Terminal } from '../support/terminal.js';

const { resolve } = createRequire(import.meta.url);
const TEST_SERVER = fileURLToPath(new URL('../support/mcp-server.mjs', import.meta.url));
const root = fileURLToPath(new URL('../../', import.meta.url));

let mesh: TestMesh;
let alice: Mesh;
let folder: string;
let logs = 0;
const mounts: Mounted[] = [];
const servers: ChildProcess[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'capmesh-mount-'));
  mesh = await startTestMesh({ users: { alice: 'caller', web: 'agent', tools: 'agent' } });
  alice = await mesh.connect('alice');
});
afterEach(async () => {
  await Promise.all(mounts.splice(0).map((one) => one.close()));
  servers.splice(0).forEach((one) => one.kill('SIGKILL'));
});
afterAll(async () => {
  await mesh.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function mount(as: string, options: Partial<MountOptions>): Promise<Mounted> {
  const mounted = await mountMcp(await mesh.connect(as), { as, ...options } as MountOptions);
  mounts.push(mounted);
  return mounted;
}

/** Start the test server over HTTP; its url. */
async function startServer(port = 0, ...more: string[]): Promise<string> {
  const child = spawn(process.execPath, [TEST_SERVER, `port=${port}`, ...more], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  servers.push(child);
  const said = await new Promise<string>((done) =>
    child.stdout.once('data', (chunk: Buffer) => done(chunk.toString())),
  );
  return `http://127.0.0.1:${said.trim()}/mcp`;
}

const newLog = (): string => join(folder, `log-${++logs}`);
const linesOf = (log: string): string[] =>
  existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : [];
const errorOf = (promise: Promise<unknown>): Promise<MeshError> =>
  promise.then(
    () => {
      throw new Error('it completed');
    },
    (err: unknown) => err as MeshError,
  );

describe('the reference servers', () => {
  test('memory keeps what it is told', async () => {
    const file = join(folder, 'memory.jsonl');
    const server = resolve('@modelcontextprotocol/server-memory/dist/index.js');
    const mounted = await mount('tools', {
      command: process.execPath,
      args: [server],
      env: { MEMORY_FILE_PATH: file },
    });
    expect(mounted.tools.length).toBeGreaterThanOrEqual(9);
    expect(mounted.tools.flatMap(({ loosened }) => loosened)).toEqual([]);
    const entity = { name: 'ada', entityType: 'person', observations: ['wrote the first program'] };
    await alice.call('tools.create_entities', { entities: [entity] }, { major: majorOf(mounted) });
    const graph = await alice.call('tools.read_graph', {}, { major: majorOf(mounted) });
    expect(graph).toMatchObject({ entities: [entity], relations: [] });
    expect(readFileSync(file, 'utf8')).toContain('first program');
  });

  test('sequential thinking counts thoughts', async () => {
    const server = resolve('@modelcontextprotocol/server-sequential-thinking/dist/index.js');
    const mounted = await mount('tools', { command: process.execPath, args: [server] });
    const thought = { thought: 'begin', thoughtNumber: 1, totalThoughts: 2, nextThoughtNeeded: true };
    const said = await alice.call('tools.sequentialthinking', thought, { major: majorOf(mounted) });
    expect(said).toMatchObject({ thoughtNumber: 1, totalThoughts: 2, nextThoughtNeeded: true });
    const err = await errorOf(
      alice.call('tools.sequentialthinking', { thought: 1 }, { major: majorOf(mounted) }),
    );
    expect(err).toMatchObject({ status: 'refused', code: 'schema_violation' });
  });
});

const majorOf = ({ tools }: Mounted): number => Number(tools[0]?.options.version?.split('.')[0]);

describe('a server over HTTP', () => {
  const hello = (): Promise<unknown> => alice.call('web.say_hello_', { name: 'ada' }, { major: 3 });

  test('is mounted by its url, and its tools are called there', async () => {
    const mounted = await mount('web', { endpoint: await startServer() });
    expect(mounted.server).toEqual({ name: 'test-server', version: 'v3.14.15' });
    expect(await hello()).toEqual({ text: 'hello ada' });
    const err = await errorOf(alice.call('web.fail', {}));
    expect(err).toMatchObject({ status: 'failed', sentence: expect.stringContaining('the disk is on fire') });
  });

  test('is told the headers it wants; without them the mount says why', async () => {
    const endpoint = await startServer(0, 'bearer=s3cret');
    const err = await errorOf(mount('web', { endpoint }));
    expect(err).toMatchObject({ code: 'mount_failed', sentence: expect.stringContaining('who are you?') });
    await mount('web', { endpoint, headers: { Authorization: 'Bearer s3cret' } });
    expect(await hello()).toEqual({ text: 'hello ada' });
  });

  test('that is nowhere, or no url, is refused', async () => {
    const endpoint = await startServer();
    for (const one of servers.splice(0)) {
      const gone = new Promise((resolve) => one.once('exit', resolve));
      one.kill('SIGKILL');
      await gone;
    }
    expect(await errorOf(mount('web', { endpoint }))).toMatchObject({ code: 'mount_failed' });
    for (const wrong of ['ftp://127.0.0.1/mcp', 'mcp', 'http://me:secret@127.0.0.1/mcp']) {
      expect(await errorOf(mount('web', { endpoint: wrong })), `${wrong}`).toMatchObject({ code: 'usage' });
    }
  });

  test('a call is cancelled there', async () => {
    const log = newLog();
    await mount('web', { endpoint: await startServer(0, `log=${log}`) });
    const abort = new AbortController();
    const call = errorOf(alice.call('web.wait', {}, { signal: abort.signal }));
    await until(() => linesOf(log).includes('waiting'));
    abort.abort();
    expect(await call).toMatchObject({ status: 'cancelled' });
    await until(() => linesOf(log).includes('cancelled'));
  });

  test('when it dies its task fails, and a later one waits until it is back', async () => {
    const log = newLog();
    const endpoint = await startServer(0, `log=${log}`);
    const said: string[] = [];
    await mount('web', { endpoint, say: (sentence) => void said.push(sentence) });
    const call = errorOf(alice.call('web.wait', {}));
    await until(() => linesOf(log).includes('waiting'));
    servers.splice(0).forEach((one) => one.kill('SIGKILL'));
    const err = await call;
    expect(err).toMatchObject({ status: 'failed' });
    expect(err.sentence).toContain('an effect may have happened');
    const later = hello();
    await until(() => said.length > 1);
    await startServer(Number(new URL(endpoint).port));
    expect(await later).toEqual({ text: 'hello ada' });
  });

  test('when it has forgotten the session, nothing is lost', async () => {
    const endpoint = await startServer();
    await mount('web', { endpoint });
    expect(await hello()).toEqual({ text: 'hello ada' });
    servers.splice(0).forEach((one) => one.kill('SIGKILL'));
    await startServer(Number(new URL(endpoint).port));
    expect(await hello()).toEqual({ text: 'hello ada' });
  });

  test('a message without measure ends the session, not the mount', async () => {
    await mount('web', { endpoint: await startServer() });
    expect(await errorOf(alice.call('web.huge', {}))).toMatchObject({ status: 'failed' });
    expect(await hello()).toEqual({ text: 'hello ada' });
  });

  test('that never comes back is given up, and the mesh told', async () => {
    const mounted = await mount('web', { endpoint: await startServer(), restarts: 1 });
    servers.splice(0).forEach((one) => one.kill('SIGKILL'));
    expect(await errorOf(hello())).toMatchObject({ status: 'failed' });
    expect(await mounted.ended).toMatchObject({ code: 'mount_failed' });
  });

  test('can be another mesh', async () => {
    await mount('tools', { command: process.execPath, args: [TEST_SERVER] });
    const door = await HttpDoor.open({
      host: '127.0.0.1',
      port: 0,
      allowed: { hosts: [], origins: [] },
      who: (bearer) => (bearer === 'token' ? 'alice' : undefined),
      join: async (user) => {
        const options = { names: 'plain', timeoutMs: 30_000, version: '0', say: () => undefined } as const;
        return new Member(await mesh.connect(user), options);
      },
    });
    try {
      await mount('web', { endpoint: door.url, headers: { Authorization: 'Bearer token' } });
      const said = await alice.call('web.tools__say_hello_', { name: 'bob' });
      expect(said).toEqual({ text: 'hello bob' });
    } finally {
      await Promise.all(mounts.splice(0).map((one) => one.close()));
      await door.close();
    }
  });
});

describe('a mounted process', () => {
  const alive = (pid: number): boolean => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  const pidIn = (log: string): number => Number(linesOf(log)[0]?.split(' ')[1]);

  function typed(log: string): Terminal {
    const script = `node bin/mesh.js mount mcp --as tools --data '${mesh.dir}' --url ${mesh.url} -- node '${TEST_SERVER}' 'log=${log}'`;
    return new Terminal(script, { cwd: root, env: { ...process.env, NO_COLOR: '1' } });
  }

  test('may finish its work after Ctrl-C', async () => {
    const log = newLog();
    const terminal = typed(log);
    await terminal.shows('Ctrl-C ends the mount', 20_000);
    const call = alice.call('tools.hold', {}, { major: 3 });
    await until(() => linesOf(log).includes('holding'));
    const ended = terminal.interrupt();
    writeFileSync(`${log}.go`, '');
    expect(await call).toMatchObject({ content: [{ text: 'held' }] });
    await ended;
    expect(alive(pidIn(log))).toBe(false);
  });

  test('does not outlive a second Ctrl-C', async () => {
    const log = newLog();
    const terminal = typed(log);
    await terminal.shows('Ctrl-C ends the mount', 20_000);
    const call = errorOf(alice.call('tools.hold', {}, { major: 3, timeoutMs: 2_000 }));
    await until(() => linesOf(log).includes('holding'));
    const ended = terminal.interrupt();
    await Promise.race([terminal.interrupt(), ended]);
    await ended;
    await until(() => !alive(pidIn(log)));
    expect((await call).status).not.toBe('completed');
  });

  test('takes along what it started', async () => {
    const log = newLog();
    const script = `node '${TEST_SERVER}' 'log=${log}'; true`;
    const mounted = await mount('tools', { command: 'sh', args: ['-c', script] });
    const pid = pidIn(log);
    expect(alive(pid)).toBe(true);
    await mounted.close();
    expect(alive(pid)).toBe(false);
  });

  test('that is no command is refused at once', async () => {
    const began = performance.now();
    const err = await errorOf(mount('tools', { command: 'no-such-command-anywhere' }));
    expect(err).toMatchObject({ code: 'mount_failed', sentence: expect.stringContaining('ENOENT') });
    expect(performance.now() - began).toBeLessThan(2_000);
  });
});

import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { mountMcp, type MountOptions, type Mounted } from '../../src/adapters/mcp.js';
import type { Mesh, MeshError } from '../../src/agent/index.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';

const FILE_SERVER = createRequire(import.meta.url).resolve(
  '@modelcontextprotocol/server-filesystem/dist/index.js',
);
const TEST_SERVER = fileURLToPath(new URL('../support/mcp-server.mjs', import.meta.url));

let mesh: TestMesh;
let alice: Mesh;
let folder: string;
const mounts: Mounted[] = [];

beforeAll(async () => {
  // The file server compares real paths, and a temporary folder may be a link.
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'capmesh-mcp-')));
  mesh = await startTestMesh({ users: { alice: 'caller', fs: 'agent', tools: 'agent' } });
  alice = await mesh.connect('alice');
});
afterEach(async () => {
  await Promise.all(mounts.splice(0).map((one) => one.close()));
});
afterAll(async () => {
  await mesh.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function mount(as: string, args: string[], more: Partial<MountOptions> = {}): Promise<Mounted> {
  const connected = await mesh.connect(as);
  const mounted = await mountMcp(connected, { as, command: process.execPath, args, ...more });
  mounts.push(mounted);
  return mounted;
}

const errorOf = (promise: Promise<unknown>): Promise<MeshError> =>
  promise.then(
    () => {
      throw new Error('it completed');
    },
    (err: unknown) => err as MeshError,
  );

describe('the file server', () => {
  test('every tool is a capability, and a call goes to the real files', async () => {
    writeFileSync(join(folder, 'a.txt'), 'one\ntwo\n');
    const mounted = await mount('fs', [FILE_SERVER, folder]);
    expect(mounted.tools).toHaveLength(14);
    expect(mounted.tools.flatMap(({ loosened }) => loosened)).toEqual([]);
    const read = await alice.call('fs.read_text_file', { path: join(folder, 'a.txt') });
    expect(read).toEqual({ content: 'one\ntwo\n' });
    const made = { path: join(folder, 'b.txt'), content: 'three' };
    await alice.call('fs.write_file', made);
    expect(readFileSync(made.path, 'utf8')).toBe('three');
  });

  test('hints become readOnly and idempotent, and an override wins', async () => {
    const overrides = { write_file: { idempotent: false, attemptMs: 5_000 }, edit_file: { readOnly: true } };
    const mounted = await mount('fs', [FILE_SERVER, folder], { overrides });
    const said = (tool: string) => mounted.tools.find((one) => one.tool === tool)?.options;
    expect(said('read_text_file')).toMatchObject({ readOnly: true, idempotent: true, version: '0.2' });
    expect(said('create_directory')).toMatchObject({ readOnly: false, idempotent: true });
    expect(said('move_file')).toMatchObject({ readOnly: false, idempotent: false });
    expect(said('write_file')).toMatchObject({ readOnly: false, idempotent: false, attemptMs: 5_000 });
    expect(said('edit_file')).toMatchObject({ readOnly: true, idempotent: true });
  });

  test('what the tool refuses is failed, in the words of the tool', async () => {
    await mount('fs', [FILE_SERVER, folder]);
    const err = await errorOf(alice.call('fs.read_text_file', { path: '/etc/passwd' }));
    expect(err).toMatchObject({ status: 'failed', code: 'handler_failed' });
    expect(err.sentence).toContain('Access denied');
  });

  test('what does not fit the schema of the tool is refused before it', async () => {
    await mount('fs', [FILE_SERVER, folder]);
    const err = await errorOf(alice.call('fs.read_text_file', { file: 'a.txt' }));
    expect(err).toMatchObject({ status: 'refused', code: 'schema_violation' });
    expect(err.sentence).toContain('path');
  });
});

describe('names, schemas and results', () => {
  test('tools of all pages are there, under names of the grammar', async () => {
    const mounted = await mount('tools', [TEST_SERVER]);
    expect(mounted.server).toEqual({ name: 'test-server', version: 'v3.14.15' });
    expect(mounted.tools.map(({ capability }) => capability)).toEqual([
      'tools.say_hello_',
      'tools.env',
      'tools.fail',
      'tools.die',
      'tools.wait',
      'tools.hold',
      'tools.huge',
    ]);
    expect(await alice.call('tools.say_hello_', { name: 'ada' }, { major: 3 })).toEqual({
      text: 'hello ada',
    });
  });

  test('a check that costs more than linear time is left to the tool', async () => {
    const mounted = await mount('tools', [TEST_SERVER]);
    expect(mounted.tools[0]?.loosened).toEqual([
      'input/properties/name/pattern',
      'input/properties/tags/uniqueItems',
    ]);
  });

  test('two tools of one name are refused, by name', async () => {
    const err = await errorOf(mount('tools', [TEST_SERVER, 'collide']));
    expect(err).toMatchObject({ code: 'mount_failed' });
    expect(err.sentence).toContain('"fail" and "FAIL" would both be tools.fail');
  });

  test('an override for a tool that is not there is refused', async () => {
    const err = await errorOf(mount('tools', [TEST_SERVER], { overrides: { nope: { idempotent: true } } }));
    expect(err).toMatchObject({ code: 'usage' });
  });

  test('what is no MCP server is refused with its last words', async () => {
    const err = await errorOf(mount('tools', ['-e', 'console.error("no licence"); process.exit(3)']));
    expect(err).toMatchObject({ code: 'mount_failed' });
    expect(err.sentence).toContain('no licence');
  });

  test('without an output schema the result is the content; a failed tool is failed', async () => {
    await mount('tools', [TEST_SERVER]);
    expect(await alice.call('tools.env', {})).toMatchObject({ content: [{ type: 'text' }] });
    const err = await errorOf(alice.call('tools.fail', {}));
    expect(err).toMatchObject({ status: 'failed', sentence: expect.stringContaining('the disk is on fire') });
  });

  test('the server gets a nearly empty environment, and what it is given', async () => {
    process.env['MESH_SECRET'] = 'seed';
    await mount('tools', [TEST_SERVER], { env: { LANG: 'C' } });
    const { content } = await alice.call<{ content: [{ text: string }] }>('tools.env', {});
    delete process.env['MESH_SECRET'];
    const allowed = ['HOME', 'LANG', 'LOGNAME', 'PATH', 'SHELL', 'TERM', 'USER'];
    expect(JSON.parse(content[0].text)).toContain('LANG');
    expect((JSON.parse(content[0].text) as string[]).filter((name) => !allowed.includes(name))).toEqual([]);
  });
});

describe('the life of the server', () => {
  const logged = (file: string) => readFileSync(file, 'utf8').trim().split('\n');

  test('an abort of the call cancels the tool', async () => {
    const log = join(folder, 'wait.log');
    await mount('tools', [TEST_SERVER, `log=${log}`]);
    const abort = new AbortController();
    const call = errorOf(alice.call('tools.wait', {}, { signal: abort.signal }));
    await until(() => logged(log).includes('waiting'));
    abort.abort();
    expect(await call).toMatchObject({ status: 'cancelled' });
    await until(() => logged(log).includes('cancelled'));
  });

  test('when it dies its task fails, a later one waits for the restart', async () => {
    const log = join(folder, 'die.log');
    const said: string[] = [];
    await mount('tools', [TEST_SERVER, `log=${log}`], { say: (sentence) => said.push(sentence) });
    const err = await errorOf(alice.call('tools.die', {}));
    expect(err).toMatchObject({ status: 'failed' });
    expect(err.sentence).toContain('an effect may have happened');
    expect(await alice.call('tools.say_hello_', { name: 'bob' })).toEqual({ text: 'hello bob' });
    expect(logged(log)).toHaveLength(2);
    expect(said).toEqual([expect.stringContaining('starting it again in 200 ms')]);
  });

  test('when it dies again and again the mount gives up and leaves the mesh', async () => {
    const mounted = await mount('tools', [TEST_SERVER], { restarts: 1 });
    await errorOf(alice.call('tools.die', {}));
    await errorOf(alice.call('tools.die', {}));
    expect(await mounted.ended).toMatchObject({ code: 'mount_failed' });
    const err = await errorOf(alice.call('tools.env', {}, { timeoutMs: 500 }));
    expect(err).toMatchObject({ code: 'no_agent', status: 'expired' });
  });

  test('closing ends the process', async () => {
    const log = join(folder, 'close.log');
    const mounted = await mount('tools', [TEST_SERVER, `log=${log}`]);
    const pid = Number(logged(log)[0]?.split(' ')[1]);
    expect(() => process.kill(pid, 0)).not.toThrow();
    await mounted.close();
    expect(await mounted.ended).toBeUndefined();
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });
});

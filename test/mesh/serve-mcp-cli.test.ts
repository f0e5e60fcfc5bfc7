/**
 * `mesh serve mcp` and `mesh serve token` as commands: tokens of clients, addresses, and what is refused.
 */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openLab } from '../support/lab.js';
import { codeOf, leaveAll, overHttp, toolsOf, use } from '../support/mcp-client.js';
import { mesh as command, type Ran } from '../support/command.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';
import { Terminal } from '../support/terminal.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

let mesh: TestMesh;
const terminals: Terminal[] = [];

beforeAll(async () => {
  mesh = await startTestMesh({
    users: { me: 'caller', desk: 'caller', lab: 'agent', vera: 'viewer' },
    policy: `version: 1
roles:
  everyone: { call: ['>'], mayRoot: true }
  reader: { call: ['lab.echo'], mayRoot: true }
  worker: { serve: ['>'] }
members: { me: [everyone], desk: [reader], lab: [worker] }
`,
  });
  await openLab(await mesh.connect('lab'));
});
afterEach(async () => {
  await leaveAll();
  await Promise.all(terminals.splice(0).map((terminal) => terminal.interrupt()));
});
afterAll(() => mesh.stop());

const run = (...args: string[]): Promise<Ran> => command(['serve', ...args, '--data', mesh.dir]);

/** Start the server; its url. */
async function serve(...args: string[]): Promise<string> {
  const words = [
    'serve',
    'mcp',
    '--http',
    '0',
    '--json',
    '--data',
    `'${mesh.dir}'`,
    '--url',
    mesh.url,
    ...args,
  ];
  const terminal = new Terminal(`exec node bin/mesh.js ${words.join(' ')}`, { cwd: root, env: process.env });
  terminals.push(terminal);
  await terminal.shows('"ready":true', 20_000);
  const line = terminal.said.split('\n').find((one) => one.startsWith('{')) ?? '';
  return (JSON.parse(line) as { url: string }).url;
}

const file = (): string => join(mesh.dir, 'tokens.json');

describe('a token', () => {
  test('lets its client in as its user, until it is taken back', async () => {
    const url = await serve();
    const added = await run('token', 'add', 'desk');
    const token = added.out.trim();
    expect([added.code, token]).toEqual([0, expect.stringMatching(/^mesh_[\w-]{43}$/)]);
    const guest = await until(() => overHttp(url, token).catch(() => undefined));
    expect(await toolsOf(guest)).toEqual(['lab__echo']);
    expect(codeOf(await use(guest, 'lab__echo', { text: 'a' }))).toBe('completed');
    expect(codeOf(await use(guest, 'lab__fail'))).toBe('not_granted');

    expect(await run('token', 'rm', 'desk')).toMatchObject({ code: 0 });
    await until(() => use(guest, 'lab__echo', { text: 'a' }).then(() => false, String));
    await expect(use(guest, 'lab__echo', { text: 'a' })).rejects.toThrow('token_unknown');
    expect((await run('token', 'rm', 'desk')).err).toContain('[not_found]');
  });

  test('is kept only as a digest, in a file of its owner', async () => {
    const { user, token } = JSON.parse((await run('token', 'add', 'me', '--json')).out) as Record<
      string,
      string
    >;
    expect(user).toBe('me');
    expect(readFileSync(file(), 'utf8')).not.toContain(token);
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    const listed = await run('token', 'ls', '--json');
    expect(JSON.parse(listed.out)).toEqual({
      tokens: [{ user: 'me', addedAt: expect.stringContaining('T') }],
    });
    expect((await run('token', 'ls')).out).toContain('me');
  });

  test('is one for each user; a new one takes the old one out of force', async () => {
    const again = await run('token', 'add', 'me');
    expect([again.code, again.out]).toEqual([2, '']);
    expect(again.err).toContain('--replace');
    const before = readFileSync(file(), 'utf8');
    expect((await run('token', 'add', 'me', '--replace')).code).toBe(0);
    expect(readFileSync(file(), 'utf8')).not.toBe(before);
    expect(JSON.parse(readFileSync(file(), 'utf8'))).toMatchObject({ tokens: [{ user: 'me' }] });
  });

  test.each([
    ['lab', 2, '[usage]'],
    ['vera', 2, '[usage]'],
    ['nobody', 1, 'mesh agents add nobody --caller'],
    ['../me', 2, '[name_invalid]'],
  ])('for %s is refused', async (user, code, words) => {
    const ran = await run('token', 'add', user);
    expect([ran.code, ran.out]).toEqual([code, '']);
    expect(ran.err).toContain(words);
  });
});

describe('the command', () => {
  test.each([
    [['mcp', '--http', 'nowhere'], 2, '[host:]port'],
    [['mcp', '--http', '0', '--as', 'me'], 2, 'bearer token'],
    [['mcp', '--http', '0', '--creds', 'me.json'], 2, 'bearer token'],
    [['mcp', '--http', '0.0.0.0:0'], 2, '--allow-host'],
    [['mcp', '--allow-host', 'a.example'], 2, '--http'],
    [['mcp', '--names', 'odd'], 2, 'plain'],
    [['mcp', '--timeout', '0'], 2, 'whole number'],
    [['mcp', '--as', 'nobody'], 1, 'credentials'],
  ])('%j is refused', async (args, code, words) => {
    const ran = await run(...args, ...(args.includes('mcp') ? ['--url', mesh.url] : []));
    expect([ran.code, ran.out]).toEqual([code, '']);
    expect(ran.err).toContain(words);
  });

  test('takes names, hosts and origins from the settings file', async () => {
    const settings = join(mesh.dir, 'serve.yaml');
    writeFileSync(settings, 'serve: { names: dots, allowOrigins: [https://Desk.example] }\n');
    const url = await serve('--config', `'${settings}'`);
    const { token } = JSON.parse((await run('token', 'add', 'desk', '--replace', '--json')).out) as {
      token: string;
    };
    const guest = await until(() =>
      overHttp(url, token, { origin: 'https://desk.example' }).catch(() => undefined),
    );
    expect(await toolsOf(guest)).toEqual(['lab.echo']);
    await expect(overHttp(url, token, { origin: 'https://other.example' })).rejects.toThrow('origin_denied');
    await run('token', 'rm', 'desk');
  });

  test('serves a name only if it is allowed', async () => {
    const url = await serve('--allow-host', 'Mesh.Example', '--allow-origin', 'https://desk.example');
    const token = (await run('token', 'add', 'desk', '--json')).out;
    const { token: bearer } = JSON.parse(token) as { token: string };
    await until(() => overHttp(url, bearer).catch(() => undefined));
    const guest = await overHttp(url, bearer, { origin: 'https://desk.example' });
    expect(await toolsOf(guest)).toEqual(['lab__echo']);
    await expect(overHttp(url, bearer, { origin: 'https://other.example' })).rejects.toThrow('origin_denied');
  });
});

/**
 * `docs/mcp.md` is true: its commands are typed, its code is run, in its order. Only npm installs nothing (the
 * repository is linked), and ports are free ones.
 */
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compilePolicy } from '../../src/domain/policy.js';
import { connectBroker } from '../../src/fabric/connection.js';
import { credentialsFile, loadCredentials } from '../../src/fabric/users.js';
import { readPage } from '../support/markdown.js';
import { until } from '../support/mesh.js';
import { install, pathWithQuickNpx } from '../support/reader.js';
import { Terminal } from '../support/terminal.js';

/** Commands that stay, and what they say when they are ready. */
const STAYS: readonly (readonly [command: string, says: string])[] = [
  ['mesh up', 'The mesh is up'],
  ['mesh serve mcp --http', 'MCP at'],
  ['mesh mount mcp', 'Ctrl-C ends the mount'],
];
const STEP_MS = 45_000;

const repository = resolve('.');
const folder = mkdtempSync(join(tmpdir(), 'capmesh-docs-mcp-'));
const page = readPage('docs/mcp.md');
const terminals: Terminal[] = [];
const env: NodeJS.ProcessEnv = {};
let natsPort = '';
let httpPort = '';

beforeAll(async () => {
  const modules = join(folder, 'node_modules');
  install(folder);
  symlinkSync(join(repository, 'node_modules/@modelcontextprotocol'), join(modules, '@modelcontextprotocol'));
  symlinkSync(
    '../@modelcontextprotocol/server-filesystem/dist/index.js',
    join(modules, '.bin', 'mcp-server-filesystem'),
  );
  const { NATS_URL: _url, MESH_DATA: _data, ...inherited } = process.env;
  Object.assign(env, inherited, { NO_COLOR: '1', PATH: pathWithQuickNpx(folder) });
  [natsPort, httpPort] = [await freePort(), await freePort()];
  await type(`npx mesh up --port ${natsPort}`);
});

afterAll(async () => {
  for (const terminal of terminals.toReversed()) {
    await terminal.interrupt();
  }
  rmSync(folder, { recursive: true, force: true });
});

function freePort(): Promise<string> {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => done(String(port)));
    });
  });
}

/** Go through a section as a reader would; what its commands printed. */
async function follow(section: string): Promise<string> {
  const fences = page.fences.filter(
    (fence) => fence.section === section && ['sh', 'js', 'yaml'].includes(fence.language),
  );
  expect(fences.length, `there is code under "${section}"`).toBeGreaterThan(0);
  let said = '';
  for (const { language, text } of fences) {
    if (language === 'js') {
      writeFileSync(join(folder, /^\/\/ (\w+\.mjs)\n/.exec(text)?.[1] ?? ''), text);
    } else if (language === 'yaml') {
      const policy = join(folder, '.mesh', 'mesh.policy.yaml');
      writeFileSync(policy, readFileSync(policy, 'utf8').replace('roles:\n', text));
      await policyInForce();
    } else {
      const lines = text.split('\n').filter((line) => !line.startsWith('npm install'));
      said += await type(lines.join('\n').replaceAll('4300', httpPort));
    }
  }
  return said;
}

async function type(script: string): Promise<string> {
  const before = script.split('\n').filter((line) => !STAYS.some(([command]) => line.includes(command)));
  const stays = STAYS.find(([command]) => script.includes(command));
  if (stays === undefined) {
    return await new Terminal(script, { cwd: folder, env }).ends(STEP_MS);
  }
  const said = before.join('').trim() === '' ? '' : await type(before.join('\n'));
  if (!script.includes('mesh up')) {
    await policyInForce();
  }
  const last = script.split('\n').filter((line) => !before.includes(line));
  const terminal = new Terminal(last.join('\n'), { cwd: folder, env });
  terminals.push(terminal);
  await terminal.shows(stays[1], STEP_MS);
  return said + terminal.said;
}

/** A reader is slower than the mesh, which looks at the policy twice a second; a test is not. */
async function policyInForce(): Promise<void> {
  const dir = join(folder, '.mesh');
  const { digest } = compilePolicy(readFileSync(join(dir, 'mesh.policy.yaml'), 'utf8'), 'the policy');
  const { name, seed } = loadCredentials(credentialsFile(dir, 'operator'));
  const nc = await connectBroker({ url: `nats://127.0.0.1:${natsPort}`, name, seed });
  try {
    await until(async () => {
      const state = await nc.request('mesh.v1.view.operator.state', '{}', { timeout: 5_000 });
      return state.json<{ policy: string }>().policy === digest;
    });
  } finally {
    await nc.close();
  }
}

test('a server behind the mesh', { timeout: 120_000 }, async () => {
  expect(await follow('A server behind the mesh')).toContain('package.json');
});

test('a client before it, over stdio; the refusal reads as the page says', { timeout: 120_000 }, async () => {
  const said = await follow('A client before the mesh, over stdio');
  expect(said).toContain("[ 'fs__list_directory', 'fs__read_text_file' ]");
  expect(said).toContain('package.json');
  const shown = page.fences.find(({ language }) => language === 'text')?.text ?? '';
  const fixed = shown.split('\n').filter((line) => line !== '' && !line.startsWith('Call: '));
  expect(fixed.length).toBeGreaterThan(3);
  expect(said).toContain(`true ${fixed.join('\n')}`);
});

test('clients over HTTP', { timeout: 120_000 }, async () => {
  const said = await follow('Clients over HTTP');
  expect(said).toContain(`MCP at http://127.0.0.1:${httpPort}/mcp`);
  expect(said).toContain('door.fs__list_directory');
  expect(said).toContain('package.json');
  expect(said).toMatch(/desk +\d{4}-/);
  expect(said).toContain('the token of desk is out of force');
});

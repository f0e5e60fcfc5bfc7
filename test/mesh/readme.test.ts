/**
 * The README is true: its code is written to files and run, its commands are typed into terminals, in its order.
 * Only three things differ: npm installs nothing (the repository is linked), the port is a free one, and `nats` is a
 * stand-in over the official client.
 */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compilePolicy } from '../../src/domain/policy.js';
import { connectBroker } from '../../src/fabric/connection.js';
import { credentialsFile, loadCredentials } from '../../src/fabric/users.js';
import { readPage, type Fence } from '../support/markdown.js';
import { until } from '../support/mesh.js';
import { Terminal } from '../support/terminal.js';

/** Commands that stay, and what they say when they are ready. */
const STAYS: readonly (readonly [command: string, says: string])[] = [
  ['npx mesh up', 'The mesh is up'],
  ['node agent.mjs', 'inventory serves inventory.query'],
  ['nats --context clock reply', 'Listening on'],
];
/** What is done for the reader here without npm. */
const SET_UP = ['mkdir hello && cd hello', 'npm init -y', 'npm install ../capmesh'];
const STEP_MS = 45_000;

const repository = resolve('.');
const folder = mkdtempSync(join(tmpdir(), 'capmesh-readme-'));
const hello = join(folder, 'hello');
const page = readPage('README.md');
const terminals: Terminal[] = [];
const env: NodeJS.ProcessEnv = {};
/** `export` lines so far: the reader types on in the same terminal. */
const exported: string[] = [];
let port = '';

beforeAll(async () => {
  mkdirSync(join(hello, 'node_modules', '.bin'), { recursive: true });
  symlinkSync(repository, join(hello, 'node_modules', 'capmesh'));
  symlinkSync('../capmesh/bin/mesh.js', join(hello, 'node_modules', '.bin', 'mesh'));
  writeFileSync(join(hello, 'package.json'), '{"name":"hello","private":true}\n');
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  writeFileSync(
    join(bin, 'nats'),
    `#!/bin/sh\nexec node '${repository}/test/support/nats-command.mjs' "$@"\n`,
  );
  chmodSync(join(bin, 'nats'), 0o755);
  const { NATS_URL: _url, MESH_DATA: _data, ...inherited } = process.env;
  const path = [bin, process.env['PATH'] ?? ''].join(delimiter);
  Object.assign(env, inherited, { PATH: path, NO_COLOR: '1', npm_config_yes: 'false' });
  port = await freePort();
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
      const { port: free } = server.address() as AddressInfo;
      server.close(() => done(String(free)));
    });
  });
}

/** Go through a section as a reader would; what its commands printed. */
async function follow(section: string): Promise<string> {
  const fences = page.fences.filter((fence) => fence.section === section);
  expect(fences.length, `the README has code under "${section}"`).toBeGreaterThan(0);
  let said = '';
  for (const fence of fences) {
    said += await step(fence);
  }
  return said;
}

async function step({ language, text, line }: Fence): Promise<string> {
  if (language === 'js') {
    const name = /^\/\/ (\w+\.mjs)\n/.exec(text)?.[1];
    expect(name, `README.md:${line} the code names its file`).toBeDefined();
    writeFileSync(join(hello, name ?? ''), text);
    return '';
  }
  expect(language, `README.md:${line}`).toBe('sh');
  const lines = text.split('\n').filter((one) => !SET_UP.includes(one));
  const output = await type(lines.join('\n').replaceAll('4222', port));
  exported.push(...lines.filter((one) => one.startsWith('export ')).map((one) => one.replace('4222', port)));
  await policyInForce();
  return output;
}

async function type(script: string): Promise<string> {
  const terminal = new Terminal([...exported, script].join('\n'), { cwd: hello, env });
  const stays = STAYS.find(([command]) => script.includes(command));
  if (stays === undefined) {
    return await terminal.ends(STEP_MS);
  }
  terminals.push(terminal);
  await terminal.shows(stays[1], STEP_MS);
  return terminal.said;
}

/** A reader is slower than the mesh, which looks at the policy twice a second; a test is not. */
async function policyInForce(): Promise<void> {
  const dir = join(hello, '.mesh');
  const { digest } = compilePolicy(readFileSync(join(dir, 'mesh.policy.yaml'), 'utf8'), 'the policy');
  const { name, seed } = loadCredentials(credentialsFile(dir, 'operator'));
  const nc = await connectBroker({ url: `nats://127.0.0.1:${port}`, name, seed });
  try {
    await until(async () => {
      const state = await nc.request('mesh.v1.view.operator.state', '{}', { timeout: 5_000 });
      return state.json<{ policy: string }>().policy === digest;
    });
  } finally {
    await nc.close();
  }
}

test('the first steps lead to an answer', { timeout: 180_000 }, async () => {
  const said = await follow('Your own agent');
  expect(said).toContain("{ sku: 'a-1', inStock: 12 }");
  expect(said).toMatch(/"sku": "a-1",\s+"inStock": 12/);
  expect(said).toMatch(/inventory\.query +inventory +completed/);
});

test('an agent has ten lines, and a caller fewer', () => {
  const code = page.fences.filter(({ language }) => language === 'js').map(({ text }) => text.trim());
  const [agent = 0, caller = 0, ...others] = code.map((text) => text.split('\n').length);
  expect(agent).toBeLessThanOrEqual(10);
  expect(caller).toBeLessThan(agent);
  expect(others).toEqual([]);
});

test('any NATS client calls, and answers', { timeout: 180_000 }, async () => {
  expect(await follow('Any NATS client')).toContain('{"sku":"a-1","inStock":12}');
  const now = page.spans.find(({ text }) => text.startsWith('npx mesh call clock.now'))?.text ?? '';
  expect(await type(now)).toMatch(/"now": "\d{4}-\d\d-\d\dT/);
});

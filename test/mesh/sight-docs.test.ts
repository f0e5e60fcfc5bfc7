/**
 * `docs/sight.md` is true: its commands are typed into terminals, in its order. Only the ports differ, and npm installs
 * nothing.
 */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readPage } from '../support/markdown.js';
import { until } from '../support/mesh.js';
import { startReceiver, type Receiver } from '../support/otlp-receiver.js';
import { Terminal } from '../support/terminal.js';

const STEP_MS = 45_000;
const STAYS: readonly (readonly [command: string, says: string])[] = [
  ['mesh up', 'The mesh is up'],
  ['mesh gateway', 'gateway is ready'],
];

const folder = mkdtempSync(join(tmpdir(), 'capmesh-sight-docs-'));
const terminals: Terminal[] = [];
const env: NodeJS.ProcessEnv = {};
let receiver: Receiver;
let port = 0;

beforeAll(async () => {
  receiver = await startReceiver();
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'mesh'), `#!/bin/sh\nexec node '${resolve('bin/mesh.js')}' "$@"\n`);
  chmodSync(join(bin, 'mesh'), 0o755);
  const { NATS_URL: _url, MESH_DATA: _data, ...inherited } = process.env;
  const path = [bin, process.env['PATH'] ?? ''].join(delimiter);
  Object.assign(env, inherited, { PATH: path, NO_COLOR: '1' });
  port = await freePair();
});
afterAll(async () => {
  for (const terminal of terminals.toReversed()) {
    await terminal.interrupt();
  }
  await receiver.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A free port whose neighbour is free too. */
async function freePair(): Promise<number> {
  const listen = (at: number): Promise<number> =>
    new Promise((done) => {
      const server = createServer()
        .once('error', () => done(0))
        .listen(at, '127.0.0.1', () => {
          const { port: got } = server.address() as AddressInfo;
          server.close(() => done(got));
        });
    });
  return await until(async () => {
    const first = await listen(0);
    return (await listen(first + 1)) !== 0 && first;
  });
}

async function type(text: string): Promise<string> {
  const script = text
    .replaceAll('9464', String(port))
    .replaceAll('9465', String(port + 1))
    .replaceAll('http://127.0.0.1:4318', receiver.url);
  const terminal = new Terminal(script, { cwd: folder, env });
  const stays = STAYS.find(([command]) => script.includes(command));
  if (stays === undefined) {
    return await terminal.ends(STEP_MS);
  }
  terminals.push(terminal);
  await terminal.shows(stays[1], STEP_MS);
  return terminal.said;
}

test('every command of the page does what it says', { timeout: 180_000 }, async () => {
  const { fences } = readPage('docs/sight.md');
  expect(fences.every(({ language }) => language === 'sh')).toBe(true);
  let said = '';
  for (const { text } of fences.filter((fence) => !fence.text.startsWith('npm install'))) {
    said += await type(text);
  }
  for (const words of [
    `http://127.0.0.1:${port}/metrics`,
    `http://127.0.0.1:${port + 1}/metrics`,
    '[capability_unknown]',
    'mesh_calls_total{from="me",capability="other",agent="none",outcome="refused",service="gateway"} 1',
    'mesh_parked_calls{service="control"} 0',
    'ok\n',
    'ready\n',
    'Slowest: nobody.offers.this',
    'me  ', // top
    'mesh.svg: 2 names, 1 arrows',
  ]) {
    expect(said).toContain(words);
  }
  expect(existsSync(join(folder, 'mesh.svg')) && existsSync(join(folder, 'mesh.dot'))).toBe(true);
  // The gateway with a collector gets some of the calls.
  await until(async () => {
    await type("mesh call nobody.offers.this '{}' || true");
    return receiver.spans.some(
      ({ service, name }) => service === 'capmesh-gateway' && name.startsWith('call'),
    );
  }, 60_000);
});

/**
 * The container files, as far as they go without an engine: what they name exists, versions are pinned, and their
 * commands, played word for word with real processes on a real server with their configuration, make a mesh.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { connect } from '../../src/agent/index.js';
import { endProcess } from '../../src/fabric/processes.js';
import { findServer } from '../../src/fabric/server-binary.js';
import { credentialsFile } from '../../src/fabric/users.js';
import { until } from '../support/mesh.js';

interface Service {
  readonly image: string;
  readonly command: string[];
  readonly volumes: string[];
  readonly environment?: Record<string, string>;
  readonly depends_on?: Record<string, { condition: string }>;
  readonly healthcheck?: { readonly test: string[] };
  readonly restart?: string;
}

const compose = parse(readFileSync('deploy/compose.yaml', 'utf8'), { merge: true }) as {
  services: Record<string, Service>;
  volumes: Record<string, object>;
};
const { services } = compose;
const dockerfile = readFileSync('deploy/Dockerfile', 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'capmesh-deploy-'));
const data = join(folder, 'data');
const started: ChildProcess[] = [];

afterAll(async () => {
  for (const child of started.toReversed()) {
    await endProcess(child.pid ?? 0);
  }
  rmSync(folder, { recursive: true, force: true });
});

test('what the files name exists, and versions are pinned', () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  const froms = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, image = '']) => image);
  const images = Object.values(services).map(({ image }) => image);
  expect([...froms, ...images].filter((image) => !/:\d+\.\d+\.\d+(-|$)/.test(image))).toEqual([]);
  expect(images.filter((image) => image.startsWith('capmesh:'))).toContain(`capmesh:${version}`);
  for (const [name, { volumes, depends_on: after = {} }] of Object.entries(services)) {
    for (const [source = ''] of volumes.map((volume) => volume.split(':'))) {
      const known = source.startsWith('./') ? existsSync(join('deploy', source)) : source in compose.volumes;
      expect(known, `${name} mounts ${source}`).toBe(true);
    }
    for (const [other, { condition }] of Object.entries(after)) {
      const healthy = condition !== 'service_healthy' || services[other]?.healthcheck !== undefined;
      expect(healthy && other in services, `${name} waits for ${other}`).toBe(true);
    }
  }
  const copied = [...dockerfile.matchAll(/^COPY (?!--)(.+) \S+$/gm)].flatMap(([, list = '']) =>
    list.split(' '),
  );
  expect(copied.filter((path) => !existsSync(path))).toEqual([]);
});

function freePort(): Promise<number> {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => done(port));
    });
  });
}

test('every service that stays is watched, and nobody starts before what it needs is healthy', () => {
  const staying = Object.entries(services).filter(([, { restart }]) => restart === 'unless-stopped');
  expect(staying.map(([name]) => name).toSorted()).toEqual(['control', 'gateway-1', 'gateway-2', 'nats']);
  expect(staying.filter(([, { healthcheck }]) => healthcheck === undefined)).toEqual([]);
  const waits = staying.flatMap(([, { depends_on: after = {} }]) => Object.entries(after));
  const early = waits.filter(([name, { condition }]) => name !== 'setup' && condition !== 'service_healthy');
  expect(early).toEqual([]);
  expect(dockerfile, 'the health check runs node').toMatch(/^FROM node:\S+$/m);
});

test('its commands make a mesh', { timeout: 120_000 }, async () => {
  const [port, http] = [await freePort(), await freePort()];
  const pages = new Map<string, number>();
  for (const name of Object.keys(services)) {
    pages.set(name, await freePort()); // each container has a loopback of its own
  }
  const local = (text: string, name = '') =>
    text
      .replaceAll('127.0.0.1:9464', `127.0.0.1:${pages.get(name)}`)
      .replaceAll('"/data/', `"${data}/`)
      .replaceAll('nats:4222', `127.0.0.1:${port}`)
      .replaceAll('0.0.0.0:4222', `127.0.0.1:${port}`)
      .replaceAll('127.0.0.1:8222', `127.0.0.1:${http}`)
      .replaceAll('/conf/', `${folder}/conf/`);
  mkdirSync(join(folder, 'conf'));
  writeFileSync(
    join(folder, 'conf', 'nats-server.conf'),
    local(readFileSync('deploy/nats-server.conf', 'utf8')),
  );
  const binary = await findServer();
  const play = (name: string, extra: string[] = []): ChildProcess => {
    const { command, environment = {}, image } = services[name] as Service;
    const args = [...command.filter((word) => extra.length === 0 || word !== '--help'), ...extra].map(
      (word) => local(word),
    );
    const words = image.startsWith('nats:') ? [binary, ...args] : [process.execPath, 'bin/mesh.js', ...args];
    // The binary that npm brings is older than the one of the image: that alone is let pass here.
    const accept = (value: string) => (value === 'tls' ? 'tls,server-version' : value);
    const own = Object.entries(environment).map(([key, value]) => [key, accept(local(value, name))]);
    const child = spawn(words[0] ?? '', words.slice(1), {
      env: { ...process.env, MESH_DATA: data, MESH_OFFLINE: '1', ...Object.fromEntries(own) },
      stdio: 'ignore',
    });
    started.push(child);
    return child;
  };
  const ended = (child: ChildProcess) =>
    until(() => child.exitCode !== null, 30_000).then(() => child.exitCode);

  expect(await ended(play('setup'))).toBe(0);
  const server = play('nats');
  const health = local(services['nats']?.healthcheck?.test.at(-1) ?? '');
  await until(
    () =>
      fetch(health).then(
        (said) => said.ok,
        () => false,
      ),
    20_000,
  );
  /** What an engine learns from the health check of a service. */
  const healthy = (name: string): Promise<boolean> => {
    const [, command = '', ...args] = services[name]?.healthcheck?.test ?? [];
    const words = args.map((word) => local(word, name));
    return new Promise((done) => execFile(command, words, (err) => done(err === null)));
  };
  for (const name of ['control', 'gateway-1', 'gateway-2']) {
    expect(await healthy(name), `${name} before it is started`).toBe(false);
    const child = play(name); // in the order of depends_on nobody has to be started twice
    expect(await until(async () => child.exitCode !== null || (await healthy(name)), 30_000)).toBe(true);
    expect(child.exitCode).toBeNull();
  }

  expect(await ended(play('cli', ['agents', 'add', 'inventory']))).toBe(0);
  const policy = join(data, 'mesh.policy.yaml');
  writeFileSync(policy, `${readFileSync(policy, 'utf8')}  inventory: [worker]\n`);
  server.kill('SIGHUP');
  const url = `nats://127.0.0.1:${port}`;
  const agent = await until(() =>
    connect({ url, creds: credentialsFile(data, 'inventory') }).catch(() => false as const),
  );
  await until(() =>
    agent
      .serve('inventory.query', () => ({ inStock: 3 }))
      .then(
        () => true,
        () => false,
      ),
  );
  const me = await connect({ url, creds: credentialsFile(data, 'me') });
  expect(await me.call('inventory.query')).toEqual({ inStock: 3 });
  expect(await ended(play('cli', ['agents', 'ls']))).toBe(0);
  await Promise.all([me.close(), agent.close()]);

  await endProcess(server.pid ?? 0);
  for (const name of ['control', 'gateway-1', 'gateway-2']) {
    await until(async () => !(await healthy(name)), 20_000);
  }
});

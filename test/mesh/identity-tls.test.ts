/**
 * The production configuration, on a real server: TLS on every listener, certificates as proof.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect } from '../../src/agent/index.js';
import { registered } from '../../src/control/identity/register.js';
import { runIdentity } from '../../src/control/identity/run.js';
import { runControl } from '../../src/control/run.js';
import { prepareMesh } from '../../src/cli/up/mesh.js';
import { readCalloutKeys } from '../../src/fabric/callout-conf.js';
import { connectBroker, type BrokerOptions } from '../../src/fabric/connection.js';
import { prepareFolder } from '../../src/fabric/folder.js';
import { endProcess } from '../../src/fabric/processes.js';
import { findServer } from '../../src/fabric/server-binary.js';
import { credentialsFile, loadCredentials, readUsers } from '../../src/fabric/users.js';
import { runGateway } from '../../src/gateway/run.js';
import type { Log } from '../../src/wire/log.js';
import { Authority, hasOpenssl, type Certificate } from '../support/certificates.js';
import { until } from '../support/mesh.js';

const folder = mkdtempSync(join(tmpdir(), 'capmesh-tls-'));
const data = join(folder, 'data');
const rulesFile = join(data, 'mesh.identity.yaml');
const lines: Readonly<Record<string, string | undefined>>[] = [];
const note = (facts: object, message: string) => void lines.push({ ...facts, message });
const log: Log = { debug: note, info: note, warn: note, error: note };
const stops: (() => Promise<void>)[] = [];
let url = '';
let port = 0;
let authority: Authority;
const certificates: Record<string, Certificate> = {};

const freePort = (): Promise<number> =>
  new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port: free } = server.address() as AddressInfo;
      server.close(() => done(free));
    });
  });

async function startServer(): Promise<ChildProcess> {
  const http = await freePort();
  port = await freePort();
  url = `tls://localhost:${port}`;
  const text = readFileSync('deploy/nats-server.tls.conf', 'utf8')
    .replaceAll('"/data/', `"${data}/`)
    .replaceAll('/conf/tls/', `${folder}/tls/`)
    .replace('0.0.0.0:4222', `127.0.0.1:${port}`)
    .replace('127.0.0.1:8222', `127.0.0.1:${http}`)
    .replace('verify: false', 'verify: true');
  mkdirSync(join(folder, 'conf'));
  const conf = join(folder, 'conf', 'nats-server.conf');
  writeFileSync(conf, text);
  return spawn(await findServer(), ['-c', conf], { stdio: 'ignore' });
}

describe.skipIf(!hasOpenssl())('TLS', () => {
  // the command openssl makes the certificates; where it is missing there is nothing to test with
  beforeAll(async () => {
    prepareFolder(data);
    await prepareMesh(data, undefined, 2);
    authority = new Authority(join(folder, 'tls'), 'ca');
    const stranger = new Authority(join(folder, 'tls'), 'stranger');
    const issue = (name: string, subject: string, alternative: string, by = authority) =>
      (certificates[name] = by.issue(name, subject, alternative));
    issue('server', '/CN=server', 'DNS:localhost');
    issue('part', '/CN=part', 'DNS:part');
    issue('stock', '/CN=whatever', 'URI:spiffe://mesh.example/agent/stock');
    issue('shop', '/O=example/OU=callers/CN=shop', 'DNS:shop');
    issue('nobody', '/CN=nobody', 'URI:spiffe://other.example/agent/stock');
    issue('odd', '/O=example/OU=callers/CN=gateway', 'URI:spiffe://mesh.example/agent/a.b');
    issue('foreign', '/CN=x', 'URI:spiffe://mesh.example/agent/stock', stranger);
    writeFileSync(
      rulesFile,
      JSON.stringify({
        version: 1,
        certificates: [
          { uri: 'spiffe://mesh.example/agent/{name}', role: 'agent' },
          { subject: 'CN={name},OU=callers,O=example', role: 'caller' },
        ],
      }),
    );
    const policyFile = join(data, 'mesh.policy.yaml');
    const all = { all: { call: ['>'], serve: ['>'], mayRoot: true } };
    writeFileSync(
      policyFile,
      JSON.stringify({ version: 1, roles: all, members: { me: ['all'], shop: ['all'], stock: ['all'] } }),
    );
    const server = await startServer();
    stops.push(() => endProcess(server.pid ?? 0));
    // As the environment of control, identity and gateways has it.
    process.env['MESH_TLS_CA'] = authority.caFile;
    process.env['MESH_TLS_CERT'] = certificates['part']?.certFile;
    process.env['MESH_TLS_KEY'] = certificates['part']?.keyFile;
    const as = (name: string) => ({ url, log, policyFile, ...loadCredentials(credentialsFile(data, name)) });
    const control = await until(() => runControl(as('control')).catch(() => undefined));
    stops.push(() => control.stop());
    const users = readUsers(data).map(registered);
    const identity = await runIdentity({ ...as('identity'), keys: readCalloutKeys(data), rulesFile, users });
    stops.push(() => identity.stop());
    // The binary that npm brings is older than what production wants; anything else it would refuse.
    const gateway = await runGateway({ ...as('gateway'), dir: data, accept: ['server-version'] });
    stops.push(() => gateway.stop(100));
  });
  afterAll(async () => {
    for (const stop of stops.toReversed()) {
      await stop();
    }
    ['CA', 'CERT', 'KEY'].forEach((name) => delete process.env[`MESH_TLS_${name}`]);
    rmSync(folder, { recursive: true, force: true });
  });

  const tls = (name: string) => ({ caFile: authority.caFile, ...certificates[name] });
  const attempt = async (label: string, options: Partial<BrokerOptions>): Promise<string> => {
    const nc = await connectBroker({ url, name: 'stock', label, timeoutMs: 2_000, ...options }).catch(
      () => undefined,
    );
    await nc?.close();
    const line = lines.find((one) => one['client']?.startsWith(`${label} at `));
    return nc === undefined ? (line?.['code'] ?? 'not heard of') : (line?.['how'] ?? 'nothing said');
  };

  it('certificates are names: by their URI, and by their subject', async () => {
    expect(await attempt('uri', { tls: tls('stock') })).toBe('certificate');
    expect(await attempt('subject', { name: 'shop', tls: tls('shop') })).toBe('certificate');
    const stock = await connect({ url, name: 'stock', tls: tls('stock') });
    const shop = await connect({ url, name: 'shop', tls: tls('shop') });
    await stock.serve('stock.count', () => ({ count: 3 }));
    expect(await shop.call('stock.count')).toEqual({ count: 3 });
    await Promise.all([shop.close(), stock.close()]);
  });

  it('others are not', async () => {
    expect(await attempt('other-trust', { tls: tls('nobody') })).toBe('certificate_unknown');
    expect(await attempt('no-name', { tls: tls('odd') })).toBe('certificate_unknown');
    expect(await attempt('foreign', { tls: tls('foreign') })).toBe('not heard of'); // the server itself refuses
    expect(await attempt('good', { tls: tls('stock') })).toBe('certificate');
  });

  it('a key counts before the certificate beside it', async () => {
    const { seed } = loadCredentials(credentialsFile(data, 'me'));
    expect(await attempt('both', { name: 'me', seed, tls: tls('stock') })).toBe('key');
  });

  it('nobody speaks without TLS, on any listener', async () => {
    const { seed } = loadCredentials(credentialsFile(data, 'operator'));
    const http = /https: "(127\.0\.0\.1:\d+)"/.exec(
      readFileSync(join(folder, 'conf', 'nats-server.conf'), 'utf8'),
    )?.[1];
    await expect(fetch(`http://${http}/healthz`).then((said) => said.ok)).resolves.toBe(false);
    const plain = await new Promise<string>((done) => {
      void import('node:net').then(({ connect: open }) => {
        const socket = open(port, '127.0.0.1');
        let said = '';
        socket.on('data', (chunk) => {
          said += String(chunk);
          if (said.startsWith('INFO') && !said.includes('-ERR')) {
            socket.write('CONNECT {"verbose":false}\r\nPING\r\n');
          }
        });
        socket.on('error', () => undefined).on('close', () => done(said));
      });
    });
    expect(plain).toContain('"tls_required":true');
    expect(plain).not.toContain('PONG');
    const nc = await connectBroker({ url, name: 'operator', seed, tls: tls('part') });
    expect(nc.info?.tls_required).toBe(true);
    await nc.close();
  });
});

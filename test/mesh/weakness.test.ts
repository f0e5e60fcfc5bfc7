/**
 * A gateway does not start on what is weak: each weakness is made for real on a server of its own with the
 * configuration of deploy/, and taken back, after which it starts.
 */
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { prepareMesh } from '../../src/cli/up/mesh.js';
import { runControl, type RunningControl } from '../../src/control/run.js';
import { judge } from '../../src/domain/weakness/list.js';
import { connectBroker, type NatsConnection } from '../../src/fabric/connection.js';
import { inspectStreams } from '../../src/fabric/inspect.js';
import { endProcess } from '../../src/fabric/processes.js';
import { reloadServer } from '../../src/fabric/server.js';
import { findServer } from '../../src/fabric/server-binary.js';
import {
  credentialsFile,
  loadCredentials,
  mintUsers,
  readUsers,
  setIdentity,
} from '../../src/fabric/users.js';
import { runGateway } from '../../src/gateway/run.js';
import { MeshError } from '../../src/wire/errors.js';
import { silent } from '../../src/wire/log.js';
import { linesOf, mesh as command, type Ran } from '../support/command.js';
import { until } from '../support/mesh.js';

const folder = mkdtempSync(join(tmpdir(), 'capmesh-weak-'));
const data = join(folder, 'data');
const conf = join(folder, 'own.conf');
const usersConf = join(data, 'users.conf');
const policyFile = join(data, 'mesh.policy.yaml');
const narrow = 'version: 1\nroles:\n  buyer: { call: [pay.out] }\nmembers:\n  me: [buyer]\n';
let server: ReturnType<typeof spawn>;
let control: RunningControl;
let operator: NatsConnection;
let url = '';
let http = 0;

const as = (name: string) => {
  const { seed } = loadCredentials(credentialsFile(data, name));
  return { url, name, seed, dir: data, policyFile, log: silent };
};
const free = (): Promise<number> =>
  new Promise((done) => {
    const one = createServer().listen(0, '127.0.0.1', () => {
      const { port } = one.address() as AddressInfo;
      one.close(() => done(port));
    });
  });

/** Start it and let it go: nothing, or what it refused to start with. */
async function refusal(accept: readonly string[] = ['server-version']): Promise<string> {
  try {
    const gateway = await runGateway({ ...as('gateway'), accept });
    await gateway.stop(0);
    return 'starts';
  } catch (err) {
    if (err instanceof MeshError && err.code === 'start_refused') {
      return String(err.details['what']);
    }
    throw err;
  }
}

const reload = (): Promise<void> => reloadServer(server.pid ?? 0, join(folder, 'server.log'));

/** The server does not take no_auth_user by a reload. */
async function restartServer(): Promise<void> {
  await endProcess(server.pid ?? 0);
  await startServer();
  await until(() =>
    operator.flush().then(
      () => true,
      () => false,
    ),
  );
}

/** Change the users that the server reads, look, and take it back. */
async function withUsers(change: (text: string) => string, look: () => Promise<void>): Promise<void> {
  const text = readFileSync(usersConf, 'utf8');
  writeFileSync(usersConf, change(text));
  expect(readFileSync(usersConf, 'utf8')).not.toBe(text);
  try {
    await reload();
    await look();
  } finally {
    writeFileSync(usersConf, text);
    await reload();
  }
}

async function startServer(): Promise<void> {
  server = spawn(await findServer(), ['-c', conf], { stdio: 'ignore' });
}

async function configOf(stream: string): Promise<Record<string, unknown>> {
  const said = await operator.request(`$JS.API.STREAM.INFO.${stream}`, '');
  return said.json<{ config: Record<string, unknown> }>().config;
}

async function update(stream: string, change: Record<string, unknown>): Promise<void> {
  const config = { ...(await configOf(stream)), ...change };
  const said = await operator.request(`$JS.API.STREAM.UPDATE.${stream}`, JSON.stringify(config));
  expect(said.json<{ error?: unknown }>().error).toBeUndefined();
}

async function restartControl(): Promise<void> {
  await control.stop();
  control = await runControl(as('control'));
}

beforeAll(async () => {
  await prepareMesh(data);
  await mintUsers(data, [{ name: 'stock', role: 'agent' }]);
  setIdentity(data, false);
  writeFileSync(policyFile, narrow, { mode: 0o600 });
  const port = await free();
  http = await free();
  url = `nats://127.0.0.1:${port}`;
  const text = readFileSync('deploy/nats-server.conf', 'utf8')
    .replaceAll('"/data/', `"${data}/`)
    .replace('"../data/users.conf"', '"data/users.conf"')
    .replace('0.0.0.0:4222', `127.0.0.1:${port}`)
    .replace('127.0.0.1:8222', `127.0.0.1:${http}`);
  writeFileSync(conf, `${text}\nlog_file: "${join(folder, 'server.log')}"\n`);
  await startServer();
  control = await until(() => runControl(as('control')).catch(() => undefined));
  operator = await connectBroker(as('operator'));
});
afterAll(async () => {
  await operator.close();
  await control.stop();
  await endProcess(server.pid ?? 0);
  rmSync(folder, { recursive: true, force: true });
});

describe('a gateway', () => {
  test('on deploy/nats-server.conf: nothing but the version of the binary that npm brings', async () => {
    expect(await refusal([])).toBe('server-version');
    const warned: object[] = [];
    const log = { ...silent, warn: (facts: object) => void warned.push(facts) };
    const gateway = await runGateway({ ...as('gateway'), accept: ['server-version'], log });
    expect(gateway.notes.map((note) => note.split(':')[1]?.trim())).toEqual(['server-version']);
    await gateway.stop(0);
    expect(warned).toEqual([{ check: 'server-version', accepted: true }]);
  });

  test('what cannot be accepted is refused all the same', async () => {
    await update('CALLS', { allow_rollup_hdrs: true });
    expect(await refusal(['server-version', 'streams', 'tls', 'files'])).toBe('streams');
    await restartControl();
    expect(await refusal()).toBe('starts');
  });

  test('as a process: it ends with 1, one line for each finding, and takes no call', async () => {
    chmodSync(credentialsFile(data, 'me'), 0o644);
    const ran = await command(['gateway', '--data', data, '--url', url, '--config', 'none']);
    chmodSync(credentialsFile(data, 'me'), 0o600);
    expect(ran.code).toBe(1);
    expect(ran.err).toContain('[start_refused]');
    const lines = ran.err.split('\n').flatMap((line) => /^ {2}- ([\w-]+): .*; fix: .+/.exec(line)?.[1] ?? []);
    expect(lines).toEqual(['server-version', 'files']);
    expect(ran.out).toBe('');
  });
});

describe('who comes', () => {
  test('no_auth_user lets strangers in', async () => {
    const stock = readUsers(data).find(({ name }) => name === 'stock')?.publicKey ?? '';
    const text = readFileSync(conf, 'utf8');
    writeFileSync(conf, `${text}\nno_auth_user: ${stock}\n`);
    await restartServer();
    expect(await until(async () => (await refusal()) === 'strangers')).toBe(true);
    writeFileSync(conf, text);
    await restartServer();
    expect(await until(async () => (await refusal()) === 'starts')).toBe(true);
  });

  test('a gateway that may more than was generated', async () => {
    const key = readUsers(data).find(({ name }) => name === 'gateway')?.publicKey ?? '';
    const wide = (text: string) =>
      text.replace(new RegExp(`(nkey: ${key}\\n.*\\n\\s+publish: \\{ allow: \\[)`), '$1"mesh.v1.>", ');
    await withUsers(wide, async () => {
      expect(await until(async () => (await refusal()) === 'rights, rendered')).toBe(true);
    });
    expect(await until(async () => (await refusal()) === 'starts')).toBe(true);
  });

  test('a gateway without any permissions of its own may everything', async () => {
    const key = readUsers(data).find(({ name }) => name === 'gateway')?.publicKey ?? '';
    const bare = (text: string) =>
      text.replace(
        new RegExp(`(nkey: ${key}\\n\\s+permissions: \\{)[^]*?\\n {4}\\}`),
        '$1 publish: ">", subscribe: ">" }',
      );
    await withUsers(bare, async () => {
      expect(await until(async () => (await refusal()) === 'rights, rendered')).toBe(true);
    });
    expect(await until(async () => (await refusal()) === 'starts')).toBe(true);
  });
});

describe('streams', () => {
  const weak: [stream: string, change: Record<string, unknown>][] = [
    ['CALLS', { allow_rollup_hdrs: true }],
    ['CALLS', { discard: 'old' }],
    ['CALLS', { duplicate_window: 60_000_000_000 }],
    ['CALLS', { max_age: 3_600_000_000_000 }],
    ['DECISIONS', { max_msgs: 1_000 }],
    ['DECISIONS', { allow_direct: false }],
    ['DECISIONS', { duplicate_window: 100_000_000 }],
    ['DECISIONS', { republish: { src: '>', dest: 'copy.>' } }],
    ['OUTCOMES', { max_msgs_per_subject: -1, discard_new_per_subject: false }],
    ['OUTCOMES', { republish: undefined }],
    ['OUTCOMES', { subject_transform: undefined }],
    ['KV_mesh_policy', { republish: { src: '>', dest: 'copy.>' } }],
  ];
  const findings = async () => judge({ streams: await inspectStreams(operator) });

  test.each(weak)('%s with %j is refused, and control brings it back', async (stream, change) => {
    const before = await configOf(stream);
    await update(stream, change);
    const said = (await findings()).map(({ state }) => state);
    expect(said).toEqual(['refuse']);
    await restartControl();
    expect((await findings()).map(({ state, found }) => [state, found])).toEqual([
      ['fine', expect.stringContaining('as the table says')],
    ]);
    expect({ ...(await configOf(stream)), metadata: {} }).toEqual({ ...before, metadata: {} });
  });

  test('a size is a matter of taste', async () => {
    await update('DEAD', { max_bytes: 128 * 1024 * 1024 });
    expect((await findings()).map(({ state }) => state)).toEqual(['warn']);
    expect(await refusal()).toBe('starts');
    await restartControl();
    expect((await findings()).map(({ state }) => state)).toEqual(['fine']);
  });

  test('one that is gone', async () => {
    await operator.request('$JS.API.STREAM.DELETE.VOTES', '');
    expect(await refusal()).toBe('streams');
    await restartControl();
    expect(await refusal()).toBe('starts');
  });
});

describe('mesh doctor', () => {
  interface Report {
    readonly fine: boolean;
    readonly findings: readonly { readonly id: string; readonly state: string; readonly found: string }[];
  }
  const where = ['--data', '', '--url', '', '--config', 'none', '--json', '--accept', 'server-version'];
  const doctor = async (...more: string[]): Promise<{ ran: Ran; report: Report; refused: string[] }> => {
    const ran = await command(['doctor', ...where.with(1, data).with(3, url), ...more]);
    const [report] = linesOf<Report>(ran);
    if (report === undefined) {
      throw new Error(ran.err);
    }
    const refused = report.findings.flatMap(({ id, state }) => (state === 'refuse' ? [id] : []));
    return { ran, report, refused };
  };

  test('finds what a gateway cannot see: wide users, tokens without an end, open keys', async () => {
    const before = await doctor('--monitor', `http://127.0.0.1:${http}`);
    expect(before.refused).toEqual([]);
    const states = new Map(before.report.findings.map(({ id, state }) => [id, state]));
    expect([states.get('flush'), states.get('doors'), states.get('forbidden')]).toEqual([
      'fine',
      'fine',
      'fine',
    ]);
    const admin = await connectBroker(as('control'));
    admin.publish('$KV.mesh_identity.enrol.forever', '{"name":"stock","role":"agent"}');
    await admin.flush();
    const key = readUsers(data).find(({ name }) => name === 'me')?.publicKey ?? '';
    const wide = (text: string) =>
      text.replace(new RegExp(`(nkey: ${key}\\n.*\\n\\s+publish: \\{ allow: \\[)`), '$1"mesh.v1.call.*.>", ');
    chmodSync(credentialsFile(data, 'stock'), 0o640);
    await withUsers(wide, async () => {
      const { refused, report, ran } = await doctor();
      expect(ran.code).toBe(1);
      expect(refused).toEqual(['forbidden', 'rendered', 'files', 'enrolment']);
      const [found] = report.findings.filter(({ id, state }) => id === 'forbidden' && state === 'refuse');
      expect(found?.found).toBe('may publish mesh.v1.call.none.none');
      expect((await configOf('CALLS'))['name']).toBe('CALLS');
      const state = await operator.request('$JS.API.STREAM.INFO.CALLS', '');
      expect(state.json<{ state: { messages: number } }>().state.messages).toBe(0); // nothing was stored
    });
    chmodSync(credentialsFile(data, 'stock'), 0o600);
    await operator.request(
      '$JS.API.STREAM.PURGE.KV_mesh_identity',
      '{"filter":"$KV.mesh_identity.enrol.forever"}',
    );
    await admin.close();
    expect((await doctor()).refused).toEqual([]);
  });
});

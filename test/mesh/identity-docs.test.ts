/**
 * docs/identity.md is true: its commands are typed in its order, on a mesh whose identity processes are then killed one
 * by one.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect } from '../../src/agent/index.js';
import { readIdentityRules } from '../../src/domain/identity.js';
import { connectBroker } from '../../src/fabric/connection.js';
import { credentialsFile, loadCredentials } from '../../src/fabric/users.js';
import { readState } from '../../src/cli/state.js';
import { readPage } from '../support/markdown.js';
import { until } from '../support/mesh.js';
import { install, pathWithQuickNpx } from '../support/reader.js';
import { Terminal } from '../support/terminal.js';

const STEP_MS = 45_000;
const page = readPage('docs/identity.md');
const folder = mkdtempSync(join(tmpdir(), 'capmesh-docs-identity-'));
const dir = join(folder, '.mesh');
const env: NodeJS.ProcessEnv = {};
let mesh: Terminal;

const fences = (section: string): string[] =>
  page.fences.filter((one) => one.section === section && one.language === 'sh').map(({ text }) => text);
const type = (script: string): Promise<string> => new Terminal(script, { cwd: folder, env }).ends(STEP_MS);

beforeAll(async () => {
  install(folder);
  const { NATS_URL: _url, MESH_DATA: _data, MESH_CREDS: _creds, ...inherited } = process.env;
  Object.assign(env, inherited, { NO_COLOR: '1', PATH: pathWithQuickNpx(folder) });
  mesh = new Terminal(fences('Switch it on')[0] ?? '', { cwd: folder, env });
  await mesh.shows('The mesh is up', STEP_MS);
});
afterAll(async () => {
  await mesh.interrupt();
  rmSync(folder, { recursive: true, force: true });
});

const url = (): string => readState(dir)?.url ?? '';
const comes = (file: string): Promise<boolean> =>
  connect({ url: url(), creds: file }).then(
    (one) => one.close().then(() => true),
    () => false,
  );

test('names come', { timeout: 120_000 }, async () => {
  expect(await type(fences('Switch it on')[1] ?? '')).toContain('clock is an agent of this mesh');
  expect(await comes(credentialsFile(dir, 'clock'))).toBe(true);
  const said = await type(fences('Let somebody join')[0] ?? '');
  expect(said).toContain('inventory has joined as an agent');
  expect(await comes(join(folder, 'inventory.creds.json'))).toBe(true);
  await expect(type('npx mesh agents join inventory.enrol.json --out second.json')).rejects.toThrow(
    'permission_denied',
  );
  expect(statSync(join(folder, 'inventory.creds.json')).mode & 0o777).toBe(0o600);
  expect(statSync(join(dir, 'identity.json')).mode & 0o777).toBe(0o600);
});

test('names go, and may come again', { timeout: 120_000 }, async () => {
  const [revoke = '', reinstate = ''] = (fences('Put somebody out')[0] ?? '').split('\n');
  const agent = await connect({ url: url(), creds: join(folder, 'inventory.creds.json') });
  expect(await type(revoke)).toContain('inventory is out; 1 connection was cut');
  expect(await comes(join(folder, 'inventory.creds.json'))).toBe(false);
  expect(await comes(credentialsFile(dir, 'me'))).toBe(true);
  expect(await type(reinstate)).toContain('inventory may come again');
  expect(await comes(join(folder, 'inventory.creds.json'))).toBe(true);
  await agent.close(0);
  await expect(type('npx mesh agents revoke gateway')).rejects.toThrow('name_invalid');
});

test('one identity process that is killed is not missed', { timeout: 60_000 }, async () => {
  const [first] = readState(dir)?.identity ?? [];
  expect(readState(dir)?.identity?.length).toBe(2);
  process.kill(first?.pid ?? 0, 'SIGKILL');
  const { seed } = loadCredentials(credentialsFile(dir, 'me'));
  for (let i = 0; i < 20; i++) {
    await (await connectBroker({ url: url(), name: 'me', seed })).close();
  }
  await until(() => readState(dir)?.identity?.every((one) => one.pid !== first?.pid), 15_000); // another one came
  expect(await type('npx mesh doctor')).not.toContain('they differ');
});

test('the rules of the page are rules', () => {
  const yaml = page.fences.find(({ language }) => language === 'yaml')?.text ?? '';
  const rules = readIdentityRules(yaml, 'docs/identity.md');
  expect(rules.issuers.get('https://login.example')?.algorithms).toEqual(['ES256']);
  expect(rules.certificates.map(({ role }) => role)).toEqual(['agent', 'caller']);
});

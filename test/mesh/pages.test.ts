/**
 * The pages on configuration and operations are true: their files are written and their commands typed, in their order.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { configShape } from '../../src/domain/config/file-shape.js';
import { readYaml } from '../../src/domain/config/yaml.js';
import { readPage } from '../support/markdown.js';
import { cleanEnv, install, Reader } from '../support/reader.js';

const UP = 'npx mesh up';
const CONFIGURATION = readPage('docs/configuration.md');
const OPERATIONS = readPage('docs/operations.md');
const FRAGILE = 'while sleep 0.2; do node fragile.mjs';

const folders: string[] = [];
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

/** Somebody in a folder with nothing but the package. */
function sitDown(): { reader: Reader; folder: string } {
  const folder = mkdtempSync(join(tmpdir(), 'capmesh-page-'));
  folders.push(folder);
  install(folder);
  const stays = [
    [UP, 'The mesh is up'],
    [FRAGILE, 'fragile serves'],
  ] as const;
  return { reader: new Reader({ folder, env: cleanEnv(), stays }), folder };
}

describe('docs/configuration.md', () => {
  const { reader, folder } = sitDown();
  let said: Map<string, string>;

  beforeAll(async () => {
    await reader.type('npx mesh init --yes --port 4222');
    await reader.type(UP); // some of what the page shows is shown of a mesh
    await reader.type('rm mesh.yaml');
    said = await reader.followAll(CONFIGURATION);
  }, 120_000);
  afterAll(() => reader.stop());

  test('init writes what it says, and where values come from is shown', () => {
    expect(said.get('A file to begin with')).toContain('wrote mesh.yaml');
    const shown = said.get('Where a value comes from') ?? '';
    expect(shown).toMatch(/^server\.port +\d+ +mesh\.yaml:\d+:3$/m);
    expect(shown).toMatch(/^log\.level +info +\$MESH_LOG$/m);
    expect(shown).toMatch(/^gateways +2 +--gateways$/m);
    expect(shown).toMatch(/^server\.url +nats:\/\/127\.0\.0\.1:\d+ +the mesh that runs in \.mesh$/m);
    expect(said.get('Who a command is')).toMatch(/^server\.creds +\.mesh\/creds\/me\.json +--creds$/m);
    const limits = said.get('Limits') ?? '';
    expect(limits).toMatch(/^limits\.openPerGateway +20000 +--set-limit$/m);
    expect(limits).toMatch(/^limits\.attemptMs +10000 +\$MESH_LIMITS$/m);
  });

  test('check says word for word what the page says it does', () => {
    const shown = CONFIGURATION.fences.find(({ language }) => language === 'text')?.text ?? '';
    expect(shown).toContain('broken.yaml:2:1');
    expect(said.get('What is wrong')).toBe(`Nothing to correct.\n${shown}`);
  });

  test('the file that it shows is one', () => {
    const shown = CONFIGURATION.fences.find(({ text }) => text.startsWith('# mesh.yaml'));
    expect(readYaml(shown?.text ?? 'a: 1', 'f', configShape).problems).toEqual([]);
    const schema = /\$schema=(.*)/.exec(shown?.text ?? '')?.[1] ?? '';
    expect(JSON.parse(readFileSync(join(folder, schema), 'utf8'))).toHaveProperty('properties.server');
  });
});

describe('docs/operations.md', () => {
  const { reader } = sitDown();
  beforeAll(async () => {
    await reader.type('npx mesh init --yes --port 4222');
    await reader.type(UP);
  }, 60_000);
  afterAll(() => reader.stop());

  test('a call dies, is looked at, and runs again', { timeout: 180_000 }, async () => {
    await reader.follow(OPERATIONS, 'Dead and parked');
    const dies = await reader.follow(OPERATIONS, 'A call that dies');
    expect(dies).toMatch(/\[poison\].*\n[\s\S]*exit code 4/);
    expect(dies).toMatch(/^me\.\w{26} +fragile\.work +5 +/m);
    expect(dies).toMatch(/done for +me\n/);
    expect(dies).toContain('"order": 7');
    const again = await reader.follow(OPERATIONS, 'Running it again');
    expect(again).toMatch(/^me\.\w{26} +would replay\nme\.\w{26} +replayed as me\.\w{26}\nno dead calls$/m);
    expect(again).toMatch(/^me\.\w{26} +fragile\.work +fragile +completed/m);
  });

  test('a call waits, is tried, and is cancelled', { timeout: 120_000 }, async () => {
    await reader.interrupt(FRAGILE);
    const waits = await reader.follow(OPERATIONS, 'Calls that wait');
    expect(waits).toMatch(/^me\.\w{26} +fragile\.work .* waits for capacity \(no live agent\)$/m);
    expect(waits).toMatch(/^me\.\w{26} +held\nexit code 4\nme\.\w{26} +cancelled$/m);
  });
});

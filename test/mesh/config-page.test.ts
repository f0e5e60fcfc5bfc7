/** The page on configuration is true: its files are written and its commands typed, in their order. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { configShape } from '../../src/domain/config/file-shape.js';
import { readYaml } from '../../src/domain/config/yaml.js';
import { readPage } from '../support/markdown.js';
import { sitDown } from '../support/reader.js';

const UP = 'npx mesh up';
const page = readPage('docs/configuration.md');
const { reader, folder, leave } = sitDown([[UP, 'The mesh is up']]);
let said: Map<string, string>;

beforeAll(async () => {
  await reader.type('npx mesh init --yes --port 4222');
  await reader.type(UP); // some of what the page shows is shown of a mesh
  await reader.type('rm mesh.yaml');
  said = await reader.followAll(page);
}, 120_000);
afterAll(leave);

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
  const shown = page.fences.find(({ language }) => language === 'text')?.text ?? '';
  expect(shown).toContain('broken.yaml:2:1');
  expect(said.get('What is wrong')).toBe(`Nothing to correct.\n${shown}`);
});

test('the file that it shows is one', () => {
  const shown = page.fences.find(({ text }) => text.startsWith('# mesh.yaml'));
  expect(readYaml(shown?.text ?? 'a: 1', 'f', configShape).problems).toEqual([]);
  const schema = /\$schema=(.*)/.exec(shown?.text ?? '')?.[1] ?? '';
  expect(JSON.parse(readFileSync(join(folder, schema), 'utf8'))).toHaveProperty('properties.server');
});

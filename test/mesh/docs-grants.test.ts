/**
 * docs/grants.md is true: its policy, its programs and its commands are run, in its order, beside `mesh up`.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { tempFolder } from '../../src/fabric/temp-folder.js';
import { readUsers } from '../../src/fabric/users.js';
import { readPage } from '../support/markdown.js';
import { install, pathWithQuickNpx } from '../support/reader.js';
import { Terminal } from '../support/terminal.js';

const page = readPage('docs/grants.md');
const STEP_MS = 40_000;
const LONG = 60_000;

const folder = tempFolder('capmesh-docs-grants-');
const here = join(folder.data, 'reader');
const stay: Terminal[] = [];

const fence = (language: string, section: string): string =>
  page.fences.find((one) => one.section === section && one.language === language)?.text ?? '';

function terminal(script: string, more: NodeJS.ProcessEnv = {}): Terminal {
  const { NATS_URL: _, MESH_DATA: __, ...env } = process.env;
  return new Terminal(script, {
    cwd: here,
    env: { ...env, PATH: pathWithQuickNpx(here), NO_COLOR: '1', ...more },
  });
}

async function stays(script: string, shows: string, more?: NodeJS.ProcessEnv): Promise<void> {
  const one = terminal(script, more);
  stay.push(one);
  await one.shows(shows, STEP_MS);
}

/** Credentials and address for a program of the page. */
function as(name: string): NodeJS.ProcessEnv {
  const { url } = JSON.parse(readFileSync(join(here, '.mesh', 'mesh.json'), 'utf8')) as { url: string };
  return { MESH_URL: url, MESH_CREDS: join(here, '.mesh', 'creds', `${name}.json`) };
}

beforeAll(async () => {
  mkdirSync(join(here, '.mesh'), { recursive: true, mode: 0o700 });
  install(here);
  writeFileSync(
    join(here, '.mesh', 'mesh.policy.yaml'),
    page.fences.find((one) => one.language === 'yaml')?.text ?? '',
  );
  for (const { language, text } of page.fences) {
    const name = /^\/\/ (\S+\.mjs)\n/.exec(text)?.[1];
    if (language === 'js' && name !== undefined) {
      writeFileSync(join(here, name), text);
    }
  }
  await stays('npx mesh up', 'The mesh is up');
  await terminal('npx mesh agents add stock').ends(STEP_MS);
  await stays('node stock.mjs', 'stock serves stock.read and stock.set', as('stock'));
}, LONG);
afterAll(async () => {
  for (const one of stay.reverse()) {
    await one.interrupt();
  }
  folder.remove();
});

test('issue', { timeout: LONG }, async () => {
  const said = await terminal(fence('sh', 'Issue')).ends(STEP_MS);
  expect(said).toContain('[root_denied]');
  expect(said).toContain('without a grant: exit code 3');
  expect(said).toContain('"inStock": 7');
  expect(said).toContain('[grant_exceeded]');
  expect(said).toContain('another sku: exit code 3');
});

test('delegate', { timeout: LONG }, async () => {
  const said = await terminal(fence('sh', 'Delegate')).ends(STEP_MS);
  expect(said).toContain('It holds.');
  expect(said).toContain('"inStock": 12');
  expect(said).toContain('not to write: exit code 3');
  expect(said).toContain('[grant_widened]');
  expect(said).toContain('not more than one has: exit code 3');
});

test('in a program', { timeout: LONG }, async () => {
  const temp = readUsers(join(here, '.mesh')).find(({ name }) => name === 'temp');
  const said = await terminal('node clerk.mjs', { ...as('clerk'), TEMP_KEY: temp?.publicKey }).ends(STEP_MS);
  expect(said.trim().split('\n')).toEqual([
    "{ sku: 'a-2', inStock: 12 }",
    '2 links',
    'grant_exceeded arguments',
  ]);
});

test('revoke', { timeout: LONG }, async () => {
  const said = await terminal(fence('sh', 'Revoke')).ends(STEP_MS);
  expect(said).toContain('is revoked');
  expect(said).toContain('[grant_revoked]');
  expect(said).toContain('fell with it: exit code 3');
});

test('usage errors say what to do', { timeout: LONG }, async () => {
  const said = await terminal(
    [
      'npx mesh grant issue --to clerk || echo "a $?"',
      'npx mesh grant issue --to nobody --can a.b || echo "b $?"',
      'npx mesh grant issue --to clerk --can "a b" || echo "c $?"',
      'npx mesh grant inspect nonsense || echo "d $?"',
      'npx mesh grant revoke || echo "e $?"',
      'npx mesh grant revoke --holder clerk --json',
    ].join('\n'),
  ).ends(STEP_MS);
  for (const code of ['a 2', 'b 2', 'c 2', 'd 3', 'e 2', '{"holder":"clerk"']) {
    expect(said).toContain(code);
  }
});

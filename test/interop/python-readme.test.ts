/**
 * `examples/python/README.md` is true: its commands are typed into terminals, in its order, with the real `nats`
 * command and the real library. pip installs nothing: the environment was made before.
 */
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { readPage } from '../support/markdown.js';
import { cleanEnv, install, pathWithNats, Reader } from '../support/reader.js';

const { go, python } = inject('tools');
const here = go !== undefined && python !== undefined;
const folder = mkdtempSync(join(tmpdir(), 'capmesh-python-'));
let reader: Reader | undefined;

describe.skipIf(!here)('the README of the Python example', () => {
  beforeAll(() => {
    const home = join(folder, 'hello');
    install(home);
    symlinkSync(python ?? '', join(home, '.venv'));
    reader = new Reader({
      folder: home,
      env: cleanEnv({ PATH: pathWithNats(folder, go?.nats) }),
      stays: [
        ['npx mesh up', 'The mesh is up'],
        ['nats --context clock reply', 'Listening on'],
        ['python agent.py', 'greeter serves greet.person'],
      ],
      done: ['python3 -m venv .venv', '.venv/bin/pip install -r requirements.txt'],
    });
  });
  afterAll(async () => {
    await reader?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test('leads from an empty folder to two agents, a call through both, and a refusal', async () => {
    const said = (await reader?.follow(readPage('examples/python/README.md'), 'Run it')) ?? '';
    expect(said).toMatch(/"greeting": "Hello Ada",\s+"at": "\d{4}-/);
    expect(said).toMatch(/"greeting":"Hello Bob","at":"\d{4}-/);
    expect(said).toMatch(/greet\.person +greeter +completed/);
    expect(said).toMatch(/clock\.now +clock +completed/);
    expect(said).toMatch(/greet-person +│ +2 +│/);
    expect(said).toMatch(/refused: \[not_granted\] me may not call vault\.open/);
    expect(said).toContain('exit code 3');
  });
});

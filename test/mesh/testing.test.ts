/** The mesh that users of the library start in their tests: `capmesh/testing`. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { MeshError } from '../../src/agent/index.js';
import { startTestMesh, type TestMesh } from '../../src/testing/index.js';

let mesh: TestMesh;

beforeAll(async () => {
  mesh = await startTestMesh({
    users: { shop: 'caller', guest: 'caller', inventory: 'agent' },
    policy: {
      version: 1,
      roles: { buys: { call: ['inventory.*'], mayRoot: true }, stocks: { serve: ['inventory.query'] } },
      members: { shop: ['buys'], inventory: ['stocks'] },
    },
    gateways: 2,
  });
});

afterAll(() => mesh.stop());

const codeOf = (attempt: Promise<unknown>): Promise<unknown> =>
  attempt.then(
    () => 'no error',
    (err: unknown) => (err instanceof MeshError ? err.code : err),
  );

test('agents and callers work under the policy that was given', async () => {
  const inventory = await mesh.connect('inventory', { concurrency: 2 });
  await inventory.serve('inventory.query', ({ sku }: { sku: string }) => ({ sku, inStock: 3 }));
  expect(await codeOf(inventory.serve('inventory.steal', () => null))).toBe('not_certified');
  const shop = await mesh.connect('shop');
  expect(await shop.call('inventory.query', { sku: 'a-1' })).toEqual({ sku: 'a-1', inStock: 3 });
  const guest = await mesh.connect('guest');
  expect(await codeOf(guest.call('inventory.query', {}))).toMatch(/^(root_denied|not_granted)$/);
});

test('a name that was not asked for is told apart', async () => {
  expect(() => mesh.credentials('nobody')).toThrow('not_found');
  expect(await codeOf(mesh.connect('nobody'))).toBe('not_found');
});

test('several run at once, and leave nothing behind', async () => {
  const other = await startTestMesh({ users: { me: 'caller', a: 'agent' } });
  expect(other.url).not.toBe(mesh.url);
  await (await other.connect('a')).serve('a.b', () => 'here');
  expect(await (await other.connect('me')).call('a.b')).toBe('here');
  await other.stop();
  expect(existsSync(other.dir)).toBe(false);
});

test('a policy that cannot be read ends the start, and leaves nothing behind', async () => {
  const own = mkdtempSync(join(tmpdir(), 'capmesh-testing-'));
  vi.stubEnv('TMPDIR', own); // other tests make their folders in the one of all
  const code = await codeOf(startTestMesh({ policy: 'roles: [' })).finally(() => vi.unstubAllEnvs());
  expect(code).toBe('config_invalid');
  expect(readdirSync(own)).toEqual([]);
  rmSync(own, { recursive: true });
});

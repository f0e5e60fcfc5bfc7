/**
 * How fast names that were enrolled are put out under load. IDENTITY_REVOCATIONS says how many; `npm run test:revoke`
 * does two hundred. And what identity and grants have to do with each other.
 */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { RevokedNames } from '../../src/domain/revoked.js';
import { startTestMesh, type TestMesh } from '../support/mesh.js';
import { breaches, putOutMany, revocationPolicy, summary } from '../support/revocations.js';

const REVOCATIONS = Number(process.env['IDENTITY_REVOCATIONS'] ?? 10);
const LONG = 600_000;

let mesh: TestMesh;

const start = (count: number): Promise<TestMesh> =>
  startTestMesh({
    users: { boss: 'caller', stock: 'agent', twin: 'agent' },
    policy: revocationPolicy(count),
    identity: { processes: 2 },
    gateways: 2,
  });

beforeAll(async () => {
  mesh = await start(REVOCATIONS);
});
afterAll(() => mesh.stop());

test(`${REVOCATIONS} names are put out under load, and nobody else feels it`, { timeout: LONG }, async () => {
  const report = await putOutMany(mesh, REVOCATIONS);
  console.log(summary(report));
  expect(breaches(report)).toEqual([]);
});

describe('the harness', () => {
  test('sees gateways that do not hear who was put out', { timeout: LONG }, async () => {
    const other = await start(1);
    const deaf = vi.spyOn(RevokedNames.prototype, 'put').mockImplementation(() => undefined);
    try {
      expect(breaches(await putOutMany(other, 1, 2_000)).join('; ')).toContain('the tasks of r0 ended as');
    } finally {
      deaf.mockRestore();
      await other.stop();
    }
  });
});

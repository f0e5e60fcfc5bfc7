/**
 * The hostile suite in `npm test`: an attack is a test. `npm run test:hostile` runs the same by itself.
 */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openWorlds, type Worlds } from './open.js';
import { plant, plants } from './planted.js';
import { runAttacks, type Seen } from './run.js';
import { attacks, chosen } from './table.js';

const MIN = 80;
const seen: Seen[] = [];
let worlds: Worlds;
beforeAll(async () => {
  worlds = await openWorlds();
});
afterAll(() => worlds.stop());

describe('attacks', () => {
  test.each(chosen(process.env['HOSTILE_ONLY']).map((one) => [one.id, one] as const))(
    '%s',
    async (_, attack) => {
      const report = await runAttacks([attack], worlds);
      seen.push(...report.seen);
      expect({ succeeded: report.succeeded, failed: report.failed }).toEqual({ succeeded: [], failed: [] });
    },
  );

  test('are enough, each of another mechanism, each with a control', () => {
    expect(attacks.length).toBeGreaterThanOrEqual(MIN);
    expect(new Set(attacks.map(({ id }) => id)).size).toBe(attacks.length);
    expect(new Set(attacks.map(({ mechanism }) => mechanism)).size).toBe(attacks.length);
    const controls = seen.reduce((sum, { passed }) => sum + passed, 0);
    console.log(
      `${seen.length} attacks, ${seen.filter((one) => one.succeeded).length} succeeded, ${controls} controls passed`,
    );
    expect(controls).toBeGreaterThanOrEqual(seen.length);
  });
});

describe('a planted weakness is found, and only where it is', () => {
  let weak: Worlds;
  beforeAll(async () => {
    weak = await openWorlds();
  });
  afterAll(() => weak.stop());

  test.each(Object.entries(plants))('%s', async (_, one) => {
    await plant(weak.world.mesh, one);
    const tried = attacks
      .filter(({ id }) => one.tried.test(id))
      .map(({ naive: _naive, ...attack }) => attack);
    const report = await runAttacks(tried, weak);
    expect(report.succeeded.toSorted()).toEqual(one.finds.toSorted());
    expect(report.failed).toEqual([]);
  });

  test('and the run says so: its line and its exit code', () => {
    const env = { ...process.env, HOSTILE_PLANT: 'inboxes', HOSTILE_ONLY: '^read-inboxes$' };
    const ran = spawnSync(process.execPath, ['dist/test/hostile/main.js'], {
      env,
      encoding: 'utf8',
      timeout: 30_000,
    });
    expect(ran.stdout.trimEnd().split('\n').at(-1)).toMatch(/^1 attacks, 1 succeeded, \d controls passed$/);
    expect(ran.status).toBe(1);
  });
});

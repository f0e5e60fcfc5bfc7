/**
 * Budgets against a slow reference ledger that reads the log: settled + reserved ≤ limit at every prefix (D5). Random
 * towns of gateways with crashes, pauses, losses, duplicates and reorderings; a failure prints its seed. BUDGET_TOWNS
 * says how many.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Town, type Plant } from '../support/budget-town.js';

const TOWNS = Number(process.env['BUDGET_TOWNS'] ?? 300);
const PLANTS: readonly Plant[] = ['check-then-increment', 'double-settle', 'float', 'release-on-timeout'];
const STEPS = 800;

describe('the ledger', () => {
  test(`is never over its limit in ${TOWNS} towns`, { timeout: TOWNS * 40 + 5_000 }, () => {
    let settled = 0;
    const town = fc.record({
      seed: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
      gateways: fc.integer({ min: 1, max: 3 }),
      steps: fc.integer({ min: 20, max: STEPS }),
    });
    fc.assert(
      fc.property(town, ({ seed, gateways, steps }) => {
        const one = new Town(seed, gateways);
        one.run(steps);
        settled += one.settled;
        expect(one.violations.slice(0, 3)).toEqual([]);
      }),
      { numRuns: TOWNS },
    );
    expect(settled / TOWNS).toBeGreaterThan(10); // refusing everything is no success
  });

  test.each(PLANTS)('is seen to be over it when it has the bug %s', (plant) => {
    let caught = 0;
    for (let seed = 0; seed < 150 && caught === 0; seed++) {
      const town = new Town(seed, 2, plant);
      town.run(STEPS);
      caught += town.violations.length;
    }
    expect(caught).toBeGreaterThan(0);
  });
});

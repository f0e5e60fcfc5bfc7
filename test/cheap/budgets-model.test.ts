/**
 * Budgets against a slow reference ledger that reads the log: settled + reserved ≤ limit at every prefix (D5). Random
 * towns of gateways with crashes, pauses, losses, duplicates and reorderings; a failure prints its seed. BUDGET_TOWNS
 * says how many.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addCapped, ZERO, type Amounts } from '../../src/domain/budget/amounts.js';
import {
  freshNode,
  isOver,
  leftOf,
  settleUp,
  writeOff,
  type NodeRecord,
} from '../../src/domain/budget/node-record.js';
import { portionOf } from '../../src/domain/budget/portions.js';
import { Purse } from '../../src/domain/budget/purse.js';
import type { Reservation } from '../../src/domain/budget/reservation.js';
import { limits } from '../../src/wire/limits.js';
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

describe('a purse', () => {
  const node = { key: 'principal.alice.month.202611', limit: { micros: 1_000 }, endsMs: 1e15 };
  const reserve = { micros: 100 };
  /** What the ledger makes of a change of the purse; the purse is told. */
  const tell = (purse: Purse, record: NodeRecord, nowMs: number, need?: Amounts): NodeRecord => {
    const what = need === undefined ? { giveFree: true } : { need };
    const next = settleUp(record, purse.id, purse.change(node, nowMs, nowMs, what));
    purse.confirmed(node.key, next, need !== undefined, nowMs);
    return next;
  };

  test('does not give back what was drawn for a call that comes a moment later', () => {
    const purse = new Purse('one-1');
    let record = tell(purse, freshNode(node.limit, node.endsMs), 0, reserve);
    purse.settle(purse.reserve([node], reserve, 0) as Reservation, { charged: reserve, debt: ZERO });
    record = tell(purse, record, 4_000);
    expect(purse.lack([node], reserve, 4_000)?.why).toBe('draw');
    record = tell(purse, record, 10_000, reserve); // its last reservation is long ago
    expect(purse.idle(10_500, 3_000)).toEqual([]);
    expect(purse.lack([node], reserve, 10_500)).toBeUndefined();
    expect(purse.idle(13_001, 3_000).map(({ key }) => key)).toEqual([node.key]);
    expect(record.purses['one-1']?.a.micros).toBeGreaterThanOrEqual(100);
  });

  test('and a node bear agents that say the largest number again and again', () => {
    const lie = { amounts: { micros: Number.MAX_SAFE_INTEGER }, seqs: [1] };
    const [one, other] = [new Purse('one-1'), new Purse('other-1')];
    const open: Reservation[] = [];
    let record = freshNode(node.limit, node.endsMs);
    for (const purse of [one, other]) {
      record = tell(purse, record, 0, { micros: 200 });
      open.push(...[1, 2].flatMap(() => purse.reserve([node], reserve, 0) ?? []));
    }
    expect(open).toHaveLength(4);
    for (const reservation of open) {
      const purse = reservation.purse === one.id ? one : other;
      purse.settle(reservation, portionOf(1, { reserve }, lie));
      record = tell(purse, record, 1);
    }
    expect(record).toMatchObject({ spent: { micros: 400 }, debt: { micros: 4 * limits.budgetDebt } });
    expect([record.closed, leftOf(record)]).toEqual([true, { micros: 0 }]);
    record = writeOff(record);
    expect([record.closed, record.opened, leftOf(record)]).toEqual([undefined, 1, { micros: 600 }]);
  });

  test('sums of debt end at the largest amount', () => {
    const most = { micros: Number.MAX_SAFE_INTEGER };
    const record: NodeRecord = { ...freshNode(node.limit, 1e15), spent: { micros: 1_000 }, debt: most };
    expect([leftOf(record), isOver(record)]).toEqual([{ micros: 0 }, true]);
    const change = { settled: { micros: 1_000 }, debt: most, nowMs: 0 };
    expect(settleUp({ ...record, spent: ZERO }, 'one-1', change).debt).toEqual(most);
    expect(addCapped(most, most)).toEqual(most);
    expect(() => addCapped(most, { micros: 0.5 })).toThrow(/amount_invalid/);
  });
});

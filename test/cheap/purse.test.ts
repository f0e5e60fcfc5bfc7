/** What a purse draws, keeps and owes. */
import { describe, expect, it } from 'vitest';
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
import { addCapped, ZERO, type Amounts } from '../../src/domain/budget/amounts.js';
import { limits } from '../../src/wire/limits.js';

const endsMs = 86_400_000;

/** A purse that has drawn for one call of a node with this limit, and how much of it that is. */
function drawn(limit: Amounts, need: Amounts) {
  const node = { key: 'agent.a.day.19700101', limit, endsMs };
  const purse = new Purse('gw-1');
  const record = settleUp(freshNode(limit, endsMs), purse.id, purse.change(node, 0, 0, { need }));
  purse.confirmed(node.key, record, true, 0);
  return { purse, node, allotted: record.purses[purse.id]?.a.micros ?? 0 };
}

describe('a purse', () => {
  it('draws for a few calls, and more where that is nothing beside what is left', () => {
    expect(drawn({ micros: 100_000 }, { micros: 100 }).allotted).toBe(1_600);
    expect(drawn({ micros: 256_000_000 }, { micros: 100 }).allotted).toBe(1_000_000);
  });

  it('gives back soon what others may miss, and later what they do not', () => {
    const few = drawn({ micros: 4_000 }, { micros: 100 });
    const many = drawn({ micros: 100_000 }, { micros: 100 });
    const idle = (purse: Purse, nowMs: number) => purse.idle(nowMs, 3_000, 30_000).length;
    expect([idle(few.purse, 2_999), idle(few.purse, 3_001)]).toEqual([0, 1]);
    expect([idle(many.purse, 3_001), idle(many.purse, 30_001)]).toEqual([0, 1]);
  });

  it('owes nothing of a unit that the node does not limit', () => {
    const { purse, node } = drawn({ micros: 100_000 }, { micros: 100 });
    const reserve = () => {
      const reservation = purse.reserve([node], { micros: 100 }, 0);
      if (reservation === undefined) {
        throw new Error('it did not fit');
      }
      return reservation;
    };
    expect(purse.settle(reserve(), { charged: { micros: 40 }, debt: { computeMs: 7 } })).toEqual([]);
    const [owing] = purse.settle(reserve(), { charged: { micros: 100 }, debt: { micros: 1, computeMs: 7 } });
    expect(owing).toMatchObject({ key: node.key, owed: { micros: 1, computeMs: 0 } });
  });
});

describe('what a purse has of a node', () => {
  const node = { key: 'principal.alice.month.202611', limit: { micros: 1_000 }, endsMs: 1e15 };
  const reserve = { micros: 100 };
  /** What the ledger makes of a change of the purse; the purse is told. */
  const tell = (purse: Purse, record: NodeRecord, nowMs: number, need?: Amounts): NodeRecord => {
    const what = need === undefined ? { giveFree: true } : { need };
    const next = settleUp(record, purse.id, purse.change(node, nowMs, nowMs, what));
    purse.confirmed(node.key, next, need !== undefined, nowMs);
    return next;
  };

  it('keeps with its purse what was drawn for a call that comes a moment later', () => {
    const purse = new Purse('one-1');
    let record = tell(purse, freshNode(node.limit, node.endsMs), 0, reserve);
    purse.settle(purse.reserve([node], reserve, 0) as Reservation, { charged: reserve, debt: ZERO });
    record = tell(purse, record, 4_000);
    expect(purse.lack([node], reserve, 4_000)?.why).toBe('draw');
    record = tell(purse, record, 10_000, reserve); // its last reservation is long ago
    expect(purse.idle(10_500, 3_000, 3_000)).toEqual([]);
    expect(purse.lack([node], reserve, 10_500)).toBeUndefined();
    expect(purse.idle(13_001, 3_000, 3_000).map(({ key }) => key)).toEqual([node.key]);
    expect(record.purses['one-1']?.a.micros).toBeGreaterThanOrEqual(100);
  });

  it('bears agents that say the largest number again and again', () => {
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

  it('sums debt up, to the largest amount', () => {
    const most = { micros: Number.MAX_SAFE_INTEGER };
    const record: NodeRecord = { ...freshNode(node.limit, 1e15), spent: { micros: 1_000 }, debt: most };
    expect([leftOf(record), isOver(record)]).toEqual([{ micros: 0 }, true]);
    const change = { settled: { micros: 1_000 }, debt: most, nowMs: 0 };
    expect(settleUp({ ...record, spent: ZERO }, 'one-1', change).debt).toEqual(most);
    expect(addCapped(most, most)).toEqual(most);
    expect(() => addCapped(most, { micros: 0.5 })).toThrow(/amount_invalid/);
  });
});

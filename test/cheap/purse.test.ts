/** What a purse draws, keeps and owes. */
import { describe, expect, it } from 'vitest';
import { freshNode, settleUp } from '../../src/domain/budget/node-record.js';
import { Purse } from '../../src/domain/budget/purse.js';
import type { Amounts } from '../../src/domain/budget/amounts.js';

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

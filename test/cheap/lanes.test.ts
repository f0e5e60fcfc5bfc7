/**
 * Turns: whoever sends much waits for itself, no priority starves, and there is always room for who comes next.
 */
import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compilePolicy } from '../../src/domain/policy.js';
import { laneOf } from '../../src/domain/rate/lane.js';
import { Lanes } from '../../src/domain/rate/lanes.js';
import { priorityFor } from '../../src/domain/rate/priority.js';
import { hasRoom } from '../../src/domain/rate/room.js';
import { sealTicket } from '../../src/domain/ticket.js';
import { highFor } from '../../src/gateway/shed.js';
import { Turns, type Turn } from '../../src/gateway/turns.js';
import type { DecisionRecord } from '../../src/wire/generated/messages.js';
import { limits } from '../../src/wire/limits.js';
import { priorityNames, type Priority } from '../../src/wire/priority.js';

const seed = Number(process.env['RATES_SEED'] ?? randomInt(2 ** 31));

interface Call {
  readonly caller: string;
  readonly priority: Priority;
  readonly n: number;
}

const calls = fc
  .array(
    fc.record({ caller: fc.constantFrom('a', 'b', 'c', 'hog'), priority: fc.constantFrom(...priorityNames) }),
    {
      maxLength: 200,
    },
  )
  .map((list) => list.map((one, n): Call => ({ ...one, n })));

/** How many of others came out while this caller, which had something, did not: more than one round is unfair. */
function worstWait(order: readonly Call[]): number {
  let worst = 0;
  for (const caller of new Set(order.map((one) => one.caller))) {
    const others = new Map<string, number>();
    for (const one of order.slice(
      0,
      order.findLastIndex((call) => call.caller === caller),
    )) {
      if (one.caller === caller) {
        others.clear();
      } else {
        others.set(one.caller, (others.get(one.caller) ?? 0) + 1);
        worst = Math.max(worst, others.get(one.caller) ?? 0);
      }
    }
  }
  return worst;
}

describe(`lanes (RATES_SEED=${seed})`, () => {
  test('what goes in comes out once, in the order of its lane', () => {
    fc.assert(
      fc.property(calls, (list) => {
        const lanes = new Lanes<Call>();
        list.forEach((one) => lanes.push(one.priority, one.caller, one));
        const out: Call[] = [];
        for (let one = lanes.next(); one !== undefined; one = lanes.next()) {
          out.push(one);
        }
        expect(lanes.size + lanes.count).toBe(0);
        expect(out.toSorted((a, b) => a.n - b.n)).toEqual(list);
        const laneOf = (one: Call) => `${one.priority} ${one.caller}`;
        for (const lane of new Set(list.map(laneOf))) {
          const numbers = out.filter((one) => laneOf(one) === lane).map(({ n }) => n);
          expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
        }
      }),
      { seed, numRuns: 300 },
    );
  });

  test.each([
    ['lanes', (lanes: Lanes<Call>, one: Call) => lanes.push(one.priority, one.caller, one), true],
    [
      'one queue for all, which is what is planted',
      (lanes: Lanes<Call>, one: Call) => lanes.push('normal', '', one),
      false,
    ],
  ])('callers take turns: %s', (_, push, fair) => {
    const lanes = new Lanes<Call>();
    for (let n = 0; n < 300; n++) {
      push(lanes, { caller: 'hog', priority: 'normal', n });
    }
    ['a', 'b', 'c'].forEach((caller, n) => push(lanes, { caller, priority: 'normal', n }));
    ['a', 'b', 'c'].forEach((caller, n) => push(lanes, { caller, priority: 'normal', n: n + 3 }));
    const order = Array.from({ length: lanes.size }, () => lanes.next()).filter((one) => one !== undefined);
    expect(worstWait(order) <= 1).toBe(fair);
  });

  test('priorities have their share, and none starves', () => {
    const lanes = new Lanes<Priority>();
    for (const priority of priorityNames) {
      for (let n = 0; n < 540; n++) {
        lanes.push(priority, `c${n % 3}`, priority);
      }
    }
    const seen = Array.from({ length: 270 }, () => lanes.next());
    const share = (priority: Priority) => seen.filter((one) => one === priority).length;
    expect(priorityNames.map(share)).toEqual([160, 80, 20, 10]);
    expect(seen.slice(0, 27)).toContain('batch');
  });

  test('what is taken out or put back keeps its lane', () => {
    const lanes = new Lanes<number>();
    [1, 2, 3, 4].forEach((n) => lanes.push('normal', 'a', n));
    lanes.push('normal', 'b', 9);
    expect(lanes.takeOut((n) => n === 2 || n === 9)).toEqual([2, 9]);
    const first = lanes.next();
    lanes.back('normal', 'a', first ?? 0);
    expect([lanes.size, lanes.next(), lanes.next(), lanes.next(), lanes.next()]).toEqual([
      3,
      1,
      3,
      4,
      undefined,
    ]);
  });
});

test('however many crowd in, one who has nothing there has room; the lowest is turned away first', () => {
  const bound = 1_000;
  const lanes = new Map<string, number>();
  let used = 0;
  for (let round = 0; round < 10_000; round++) {
    const hog = `hog${round % 5}`;
    const lane = lanes.get(hog) ?? 0;
    if (hasRoom('normal', { lane, used, bound })) {
      lanes.set(hog, lane + 1);
      used++;
    }
  }
  expect(used).toBeGreaterThan(bound * 0.7); // a room that nobody fills is no room
  expect(hasRoom('normal', { lane: 0, used, bound })).toBe(true);
  expect(priorityNames.map((one) => hasRoom(one, { lane: 100, used: 850, bound }))).toEqual([
    true,
    true,
    false,
    false,
  ]);
  expect(priorityNames.map(highFor)).toEqual([90, 80, 70, 70]);
});

describe('which priority', () => {
  const cases: [Priority | undefined, Priority, Priority | undefined, Priority | undefined][] = [
    // said, most, above: it is
    [undefined, 'normal', undefined, 'normal'],
    ['critical', 'normal', undefined, undefined],
    ['critical', 'critical', undefined, 'critical'],
    [undefined, 'critical', undefined, 'normal'],
    ['batch', 'normal', undefined, 'batch'],
    [undefined, 'experimental', undefined, 'experimental'],
    ['normal', 'experimental', undefined, undefined],
    ['batch', 'experimental', undefined, 'batch'],
    [undefined, 'normal', 'critical', 'critical'],
    [undefined, 'experimental', 'normal', 'normal'],
    ['normal', 'normal', 'batch', undefined],
    ['critical', 'critical', 'batch', 'critical'],
    ['experimental', 'normal', 'critical', 'experimental'],
  ];
  test.each(cases)('said %s, may %s, above %s: %s', (said, most, above, is) => {
    expect(priorityFor({ said, most, above })).toBe(is);
  });

  const ring = { current: 'k1', keys: new Map([['k1', Buffer.alloc(32, 1)]]), epoch: '1' };
  const policy = compilePolicy(
    `version: 1
roles: { ops: { call: ['>'] }, labs: { call: ['>'] }, all: { call: ['>'] } }
members: { op: [ops], lab: [labs], me: [all], bob: [all] }
priorities: { critical: [ops], experimental: [labs] }
`,
    'f',
  );
  const ticket = (priority?: Priority) => {
    const record = { agent: 'bob', from: 'op', call: 'c', attempt: 1, deadline: 0, root: 'op.c', chain: [] };
    return sealTicket(
      ring,
      { ...record, ...(priority === undefined ? {} : { priority }) } as unknown as DecisionRecord,
      3,
    ).text;
  };
  const lane = (from: string, said?: string, text?: string) =>
    laneOf(
      { policy, ring },
      from,
      new Map(
        [
          ['Mesh-Priority', said],
          ['Mesh-Ticket', text],
        ].filter((one) => one[1] !== undefined) as [string, string][],
      ),
    );

  test('nobody gets before others by a claim that is not proven', () => {
    expect(lane('me', 'critical')).toBe('normal');
    expect(lane('op', 'critical')).toBe('critical');
    expect(lane('lab')).toBe('experimental');
    expect(lane('lab', 'normal')).toBe('experimental');
    expect(lane('me', 'nonsense')).toBe('normal');
    expect(lane('bob', undefined, ticket('critical'))).toBe('critical');
    expect(lane('bob', undefined, ticket())).toBe('normal');
    expect(lane('bob', undefined, ticket('batch'))).toBe('batch');
    expect(lane('me', undefined, ticket('critical'))).toBe('normal'); // it is bob's
    expect(
      lane(
        'bob',
        undefined,
        ticket('critical').replace(/.$/, (c) => (c === '0' ? '1' : '0')),
      ),
    ).toBe('normal');
  });
});

describe('turns', () => {
  const open: (() => void)[] = [];
  const ran: string[] = [];
  const shed: [string, number][] = [];
  const turn = (from: string, priority: Priority = 'normal', bytes = 1): Turn => ({
    from,
    capability: 'work.do',
    priority,
    bytes,
    run: (over) => {
      ran.push(from);
      open.push(over);
    },
    shed: (retryAfterMs) => void shed.push([from, retryAfterMs]),
  });

  test('a hog waits for itself, and hears early that it has too much', () => {
    const turns = new Turns(() => Infinity);
    for (let n = 0; n < limits.turnsAtOnce + limits.turnsQueued; n++) {
      turns.enter(turn('hog'));
    }
    expect(turns.size).toBe(limits.turnsQueued / 2);
    expect(shed).toHaveLength(limits.turnsQueued / 2);
    expect(shed.every(([, retryAfterMs]) => retryAfterMs >= 100)).toBe(true);
    turns.enter(turn('me'));
    expect(ran).toHaveLength(limits.turnsAtOnce);
    open.splice(0, 2).forEach((over) => (over(), over())); // over twice is over once
    expect(ran.slice(limits.turnsAtOnce)).toEqual(['hog', 'me']);
    expect(ran).toHaveLength(limits.turnsAtOnce + 2);
    while (open.length > 0) {
      open.pop()?.();
    }
    expect(turns.size).toBe(0);
  });

  test('a caller has no longer queue than it may, and bodies have a bound too', () => {
    const turns = new Turns((from) => (from === 'small' ? 3 : Infinity));
    shed.length = 0;
    for (let n = 0; n < limits.turnsAtOnce; n++) {
      turns.enter(turn('other'));
    }
    for (let n = 0; n < 5; n++) {
      turns.enter(turn('small'));
    }
    expect([turns.size, shed.length]).toEqual([3, 2]);
    turns.enter(turn('large', 'normal', limits.turnsBytes));
    turns.enter(turn('late'));
    expect(shed.at(-1)?.[0]).toBe('late');
    expect([...turns.shed]).toEqual([['normal', 3]]);
  });
});

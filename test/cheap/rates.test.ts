/**
 * Limits over several gateways: nothing beyond them in any window, and nearly all of them used. RATES_RUNS says how
 * many random histories; RATES_SEED repeats them.
 */
import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compilePolicy } from '../../src/domain/policy.js';
import { readPolicy } from '../../src/domain/policy-read.js';
import { RateBook } from '../../src/domain/rate/book.js';
import { holderText, readHolder } from '../../src/domain/rate/holder.js';
import { WHOLE } from '../../src/domain/rate/loans.js';
import { fairSlots, Slots, SLOTS } from '../../src/domain/rate/slots.js';
import { limits } from '../../src/wire/limits.js';
import { seeded } from '../support/random.js';
import { beyond, FACTS, limitOf, run, type Seen, type Weather } from '../support/rate-model.js';

const RUNS = Number(process.env['RATES_RUNS'] ?? 60);
const TIME_MS = 10_000 + 20 * RUNS;
const seed = Number(process.env['RATES_SEED'] ?? randomInt(2 ** 31));
const CALM: Weather = { gateways: 2, demand: [5], lost: 0, lateMs: 5, moves: 0, pauses: 0, lastMs: 100 };

const weather = fc.record({
  gateways: fc.integer({ min: 1, max: 4 }),
  demand: fc.array(fc.double({ min: 0, max: 8, noNaN: true }), { minLength: 1, maxLength: 4 }),
  lost: fc.double({ min: 0, max: 0.5, noNaN: true }),
  lateMs: fc.integer({ min: 1, max: 1_500 }),
  moves: fc.double({ min: 0, max: 0.05, noNaN: true }),
  pauses: fc.double({ min: 0, max: 0.005, noNaN: true }),
  lastMs: fc.integer({ min: 1, max: 6_000 }),
});

/** A book that counts without a share: what a gateway does that believes it is alone. */
class AloneBook extends RateBook {
  constructor() {
    const all = new Slots();
    for (let slot = 0; slot < SLOTS; slot++) {
      all.gain(slot, Infinity, Infinity, 0, 0);
    }
    super(all);
  }
}

/** A book that gives up slots of which it has lent the share. */
class CarelessBook extends RateBook {
  override lendsMore(): boolean {
    return false;
  }
}

describe(`limits over gateways (RATES_SEED=${seed})`, () => {
  test(
    'in no window pass more than burst + rate × time, whatever happens',
    () => {
      let admittedInAll = 0;
      fc.assert(
        fc.property(
          weather,
          fc.integer({ min: 1, max: 400 }),
          fc.integer({ min: 1, max: 200 }),
          fc.nat(),
          (sky, perSecond, burst, tape) => {
            fc.pre(burst / perSecond <= 60);
            const limit = limitOf({ each: 'caller', rate: `${perSecond}/s`, burst });
            const { admitted } = run(limit, sky, 6_000, seeded(tape));
            admittedInAll += admitted.length;
            expect(beyond(admitted, burst, perSecond / 1000)).toBeLessThan(1e-6);
          },
        ),
        { seed, numRuns: RUNS },
      );
      expect(admittedInAll).toBeGreaterThan(RUNS); // refusing everything is no limit; how much is used is tested below
    },
    TIME_MS,
  );

  test(
    'a count for good is never passed, whatever happens',
    () => {
      fc.assert(
        fc.property(weather, fc.integer({ min: 1, max: 60 }), fc.nat(), (sky, fanOut, tape) => {
          const { admitted } = run(limitOf({ each: 'tree', fanOut }), sky, 4_000, seeded(tape));
          expect(admitted.length).toBeLessThanOrEqual(fanOut);
        }),
        { seed, numRuns: RUNS },
      );
    },
    TIME_MS,
  );

  test(
    'what is in flight is never too much while gateways stay and hear each other',
    () => {
      fc.assert(
        fc.property(weather, fc.integer({ min: 1, max: 60 }), fc.nat(), (sky, concurrency, tape) => {
          const steady = { ...sky, lost: 0, lateMs: 20, moves: 0, pauses: 0 };
          const { mostInFlight } = run(limitOf({ each: 'caller', concurrency }), steady, 6_000, seeded(tape));
          expect(mostInFlight).toBeLessThanOrEqual(concurrency);
        }),
        { seed, numRuns: RUNS },
      );
    },
    TIME_MS,
  );

  test.each([
    ['two gateways in demand', { ...CALM }],
    ['one busy, one idle', { ...CALM, demand: [8, 0] }],
    ['four, one of them busy', { ...CALM, gateways: 4, demand: [8, 0, 0, 0] }],
  ])('%s: at least 95 percent of the rate, concurrency and count are used', (_, sky) => {
    const chance = seeded(seed);
    const rate = run(limitOf({ each: 'caller', rate: '100/s', burst: 10 }), sky, 10_000, chance);
    expect(rate.admitted.length).toBeGreaterThanOrEqual(950);
    const flight = run(limitOf({ each: 'caller', concurrency: 20 }), sky, 3_000, chance);
    expect(flight.mostInFlight).toBeGreaterThanOrEqual(19);
    const count = run(limitOf({ each: 'tree', fanOut: 40 }), sky, 3_000, chance);
    expect(count.admitted.length).toBeGreaterThanOrEqual(38);
  });

  test('a limit of which no part is enough for one call is used by one gateway at a time', () => {
    const limit = limitOf({ each: 'caller', rate: '5/s', burst: 1 });
    const both = run(limit, CALM, 10_000, seeded(seed));
    expect(beyond(both.admitted, 1, 0.005)).toBeLessThan(1e-6);
    expect(both.admitted.length).toBeGreaterThanOrEqual(40);
  });

  test('planted: gateways that each believe to be alone are seen', () => {
    const alone = () => new AloneBook();
    const chance = seeded(seed);
    const rate = run(limitOf({ each: 'caller', rate: '100/s', burst: 10 }), CALM, 4_000, chance, alone);
    expect(beyond(rate.admitted, 10, 0.1)).toBeGreaterThan(50);
    const count = run(limitOf({ each: 'tree', fanOut: 20 }), CALM, 2_000, chance, alone);
    expect(count.admitted.length).toBeGreaterThan(20);
  });

  test('planted: a share that somebody else has while it is lent is seen', () => {
    const sky = { ...CALM, demand: [0, 8], moves: 0.02 };
    const worst = (makeBook?: (slots: Slots) => RateBook): number => {
      const { admitted } = run(
        limitOf({ each: 'caller', rate: '100/s', burst: 10 }),
        sky,
        20_000,
        seeded(7),
        makeBook,
      );
      return beyond(admitted, 10, 0.1);
    };
    expect(worst((slots) => new CarelessBook(slots))).toBeGreaterThan(5);
    expect(worst()).toBeLessThan(1e-6);
  });

  test('slots of one that died are used by others as soon as nothing of them is lent, and not before', () => {
    const limit = limitOf({ each: 'caller', rate: '100/s', burst: 10 });
    const after = (restMs: number, gateways: number): Seen => {
      const death = { atMs: 5_000, restMs };
      // It dies while one that does not inherit has borrowed nearly all of it.
      const demand = gateways === 2 ? [4, 4] : [0, 2, 8];
      return run(limit, { ...CALM, gateways, demand, death }, 12_000, seeded(7));
    };
    expect(limits.slotRestMs).toBeGreaterThan(Math.max(limits.loanMs, limits.slotSureMs));
    for (const gateways of [2, 3]) {
      const { admitted } = after(limits.slotRestMs, gateways);
      expect(beyond(admitted, 10, 0.1)).toBeLessThan(1e-6);
      const late = admitted.filter((at) => at > 5_000 + limits.slotRestMs + 300);
      expect(late.length).toBeGreaterThanOrEqual(0.95 * 0.1 * (7_000 - limits.slotRestMs - 300));
    }
    expect(beyond(after(0, 3).admitted, 10, 0.1)).toBeGreaterThan(5); // planted: at once
  });

  test('a gateway that is not sure any more uses nothing, and trees born since then are not its own', () => {
    const slots = new Slots();
    slots.gain(3, Infinity, Infinity, 0, 1_000_000);
    let sureMs = Infinity;
    slots.sureUntilMs = () => sureMs;
    const tree = slots.ofTree(1_000_000);
    expect([slots.units(10), tree.units(10), slots.tokens(16, 1, 10)]).toEqual([1_000, 1_000, 1]);
    sureMs = 10;
    expect([slots.units(10), tree.units(10), slots.tokens(16, 1, 10)]).toEqual([0, 0, 0]);
    slots.lose(3, 60_010, 1_060_010); // it slept for a minute before it knew
    const at = (bornMs: number) => slots.ofTree(bornMs).units(60_010);
    expect([at(1_000_000), at(1_000_011 + limits.clockSkewMs)]).toEqual([1_000, 0]);
  });

  test('who holds a slot can be read back', () => {
    const holder = { gateway: 'gw-1', server: 'NABC', client: 17 };
    expect(readHolder(holderText(holder))).toEqual(holder);
    expect(readHolder('gw-1')).toBeUndefined();
  });

  test('planted: a fixed window lets twice as much through at its edge, and is seen', () => {
    const admitted: number[] = [];
    const counts = new Map<number, number>();
    for (let at = 900; at < 1_100; at++) {
      const window = Math.floor(at / 1_000);
      const count = counts.get(window) ?? 0;
      if (count < 100) {
        counts.set(window, count + 1);
        admitted.push(at);
      }
    }
    expect(beyond(admitted, 10, 0.1)).toBeGreaterThan(50);
  });

  test('slots are divided evenly, and all of them', () => {
    for (let n = 1; n <= 20; n++) {
      const names = Array.from({ length: n }, (_, i) => `gw-${i}`);
      const parts = names.map((name) => fairSlots(name, names));
      expect(parts.reduce((a, b) => a + b, 0)).toBe(SLOTS);
      expect(Math.max(...parts) - Math.min(...parts)).toBeLessThanOrEqual(1);
    }
  });

  test('a slot whose lease was not renewed counts no more, by the clock alone', () => {
    const slots = new Slots();
    slots.gain(3, 0, 5_000, 0, 0);
    expect([slots.units(4_999), slots.units(5_000)]).toEqual([WHOLE / SLOTS, 0]);
  });

  test('what a new gateway begins with was not used by the one before', () => {
    const slots = new Slots();
    slots.gain(0, 0, Infinity, 1_000, 0);
    slots.gain(1, Infinity, Infinity, 1_000, 0);
    expect(slots.tokens(160, 0.1, 1_000)).toBe(10);
    expect(slots.tokens(160, 0.1, 1_800)).toBe(10 + 5);
  });

  test('names come and go without end, and their accounts with them', () => {
    const slots = new Slots();
    for (let slot = 0; slot < SLOTS; slot++) {
      slots.gain(slot, Infinity, Infinity, 0, 0);
    }
    const book = new RateBook(slots);
    book.limits = [limitOf({ each: 'caller', rate: '10/s', burst: 10 })];
    const at = (caller: string, nowMs: number) => book.look({ ...FACTS, caller }, nowMs);
    for (let n = 0; n < limits.rateAccounts; n++) {
      at(`c${n}`, 0).accounts.forEach((account) => account.take(0));
    }
    expect(at('more', 10).misfit).toMatchObject({ counts: 'rate' });
    expect(at('more', 2_500).misfit).toBeUndefined();
    expect(book.size).toBe(1);
  });
});

describe('what a policy says of rates', () => {
  const wrong = (rates: object): string[] =>
    readPolicy(JSON.stringify({ version: 1, rates }), 'f').problems.map(({ where }) => where);

  test.each([
    ['no each', { it: { rate: '1/s' } }],
    ['nothing limited', { it: { each: 'caller' } }],
    ['a burst without a rate', { it: { each: 'caller', burst: 3 } }],
    ['a burst that takes an hour to fill', { it: { each: 'caller', rate: '1/min', burst: 60 } }],
    ['calls of a caller', { it: { each: 'caller', calls: 3 } }],
    ['a queue of an agent', { it: { each: 'agent', queue: 3 } }],
    ['a queue for one capability', { it: { each: 'caller', queue: 3, capability: ['a.b'] } }],
    ['the depth of an agent', { it: { each: 'agent', depth: 3 } }],
    ['names of a capability', { it: { each: 'capability', who: ['me'], rate: '1/s' } }],
    ['a rate without unit', { it: { each: 'caller', rate: '100' } }],
    ['a rate an hour', { it: { each: 'caller', rate: '100/h' } }],
    ['a negative rate', { it: { each: 'caller', rate: '-1/s' } }],
    ['a fractional rate', { it: { each: 'caller', rate: '0.5/s' } }],
    ['a rate of nothing', { it: { each: 'caller', rate: '0/s' } }],
    ['a fractional concurrency', { it: { each: 'caller', concurrency: 1.5 } }],
    ['a negative concurrency', { it: { each: 'caller', concurrency: -1 } }],
    ['a concurrency of 1e308', { it: { each: 'caller', concurrency: 1e308 } }],
    ['somebody unknown', { it: { each: 'team', rate: '1/s' } }],
  ])('is refused: %s', (_, rates) => {
    expect(wrong(rates).some((where) => where.startsWith('rates.it'))).toBe(true);
  });

  test('is taken, and counts for whom it names', () => {
    const rates = {
      bots: { each: 'caller', who: ['bot-*'], rate: '120/min', queue: 5 },
      trees: { each: 'tree', depth: 3, calls: 10, fanOut: 4 },
      llm: { each: 'capability', capability: ['llm.>'], concurrency: 8 },
    };
    expect(wrong(rates)).toEqual([]);
    const { traffic } = compilePolicy(JSON.stringify({ version: 1, rates }), 'f');
    expect([traffic.queueOf('bot-1'), traffic.queueOf('me')]).toEqual([5, Infinity]);
    expect(traffic.limits.map(({ burst, perMs }) => [burst, perMs])[0]).toEqual([1, 0.002]);
    const book = new RateBook(new Slots());
    book.limits = traffic.limits;
    const keys = (more: object) =>
      book.look({ ...FACTS, ...more }, 0).accounts.map(({ key }) => key.split(/[~|]/)[0]);
    expect(keys({})).toEqual(['trees', 'trees']);
    expect(keys({ caller: 'bot-1', capability: 'llm.chat', parent: undefined })).toEqual(['bots', 'llm']);
    expect(book.look({ ...FACTS, depth: 4 }, 0).misfit?.counts).toBe('depth');
  });

  test('a priority of a role that is not there is refused', () => {
    const policy = { version: 1, priorities: { critical: ['nobody'] } };
    expect(readPolicy(JSON.stringify(policy), 'f').problems.map(({ where }) => where)).toEqual([
      'priorities.critical[0]',
    ]);
  });
});

import { describe, expect, test } from 'vitest';
import type { Card } from '../../src/wire/generated/messages.js';
import { limits } from '../../src/wire/limits.js';
import type { Token } from '../../src/wire/names.js';
import { Blame } from '../../src/domain/blame.js';
import { readPolicy } from '../../src/domain/policy-read.js';
import { Registry, type Entry } from '../../src/domain/registry.js';
import { Roster } from '../../src/domain/roster.js';
import type { Routed } from '../../src/domain/routing/chosen.js';
import { explain } from '../../src/domain/routing/explain.js';
import { routeOf, type RouteData } from '../../src/domain/routing/route.js';
import { Router, type RouteFor } from '../../src/domain/routing/router.js';
import { distance } from '../../src/domain/routing/score.js';
import { readWish, refuseWish } from '../../src/domain/routing/wish.js';
import { Known, Stats } from '../../src/domain/stats.js';
import { seeded } from '../support/random.js';

const WHAT = 'work.do';
type More = Partial<Card['capabilities'][number]>;

/** A router over agents, with a clock that is moved by hand. */
function setUp(agents: Readonly<Record<string, More>>, data: RouteData, concurrency = 64, seed = 0) {
  const registry = new Registry();
  const roster = new Roster(() => 't' as Token);
  const stats = new Stats();
  for (const [name, more] of Object.entries(agents)) {
    registry.put(name as Token, { concurrency, capabilities: [{ name: WHAT, version: '1.0', ...more }] });
    roster.beat(name as Token, 'i' as Token, { state: 'ready', inFlight: 0, concurrency }, 0);
  }
  const route = routeOf(data);
  const router = new Router(registry, roster, () => route, { stats, seed });
  const entry = registry.find(WHAT) as Entry;
  /** Choose so many times, at once; what is chosen is given back. */
  const spread = (n: number, nowMs: number, how: RouteFor = {}): Map<string, number> => {
    const counts = new Map<string, number>();
    for (let i = 0; i < n; i++) {
      const agent = router.route(entry, nowMs, how)?.instance.agent ?? 'none';
      counts.set(agent, (counts.get(agent) ?? 0) + 1);
    }
    return counts;
  };
  const see = (agent: string, n: number, ok: number, ms: number, nowMs: number): void => {
    for (let i = 0; i < n; i++) {
      stats.see(WHAT, agent, { n: 1, ok: i < ok ? 1 : 0, ms }, nowMs);
    }
  };
  return { registry, roster, stats, router, entry, spread, see };
}

const wish = (route?: string, difficulty?: string) => readWish(route, difficulty);

describe('objectives', () => {
  test('fastest: the time of a success counts, near ones share, and whoever fails fast is not fast', () => {
    const { see, spread } = setUp({ quick: {}, near: {}, slow: {}, broken: {} }, 'fastest');
    see('quick', 10, 10, 20, 1_000);
    see('near', 10, 10, 25, 1_000);
    see('slow', 10, 10, 200, 1_000);
    see('broken', 10, 1, 2, 1_000);
    const counts = spread(1_000, 1_100);
    expect(counts.get('slow') ?? 0).toBe(0);
    expect(counts.get('broken') ?? 0).toBe(0);
    expect(counts.get('quick')).toBe(500);
    expect(counts.get('near')).toBe(500);
  });

  test('cheapest takes the price of the card until one was measured', () => {
    const prices = { cheap: { costMicros: 10 }, dear: { costMicros: 100 } };
    const { stats, spread } = setUp(prices, 'cheapest');
    expect(spread(10, 1_000)).toEqual(new Map([['cheap', 10]]));
    stats.see(WHAT, 'cheap', { n: 20, ok: 20, ms: 5, micros: 500 }, 1_000);
    expect(spread(10, 2_000)).toEqual(new Map([['dear', 10]]));
  });

  test('best: measured success; one that nobody knows is tried', () => {
    const { see, spread } = setUp({ good: {}, bad: {}, new: {} }, 'best');
    see('good', 60, 60, 5, 1_000);
    see('bad', 60, 40, 5, 1_000);
    expect([...spread(100, 1_100).keys()].sort()).toEqual(['good', 'new']);
  });

  test('nearest: by the label of the call; without one all are as near', () => {
    const at = (region: string) => ({ attributes: { region } });
    const { spread } = setUp({ a: at('eu-west'), b: at('eu-east'), c: at('us-east'), d: {} }, 'nearest');
    expect(spread(8, 1_000, { labels: { region: 'us-east' } })).toEqual(new Map([['c', 8]]));
    expect([...spread(8, 1_000, { labels: { region: 'eu-north' } }).keys()].sort()).toEqual(['a', 'b']);
    expect(spread(8, 1_000).size).toBe(4);
    expect(distance('eu-west-1', 'eu-west-2')).toBeLessThan(distance('us-west-1', 'eu-west-2'));
  });

  test('preferred: in their order, the next one when the first is full', () => {
    const { spread, roster } = setUp({ a: {}, b: {}, c: {} }, { by: 'preferred', prefer: ['c', 'a'] }, 1);
    expect(spread(4, 1_000)).toEqual(new Map([['c', 4]]));
    const c = roster.get('c', 'i');
    if (c !== undefined) {
      c.inFlight = 1;
    }
    expect(spread(4, 1_000)).toEqual(new Map([['a', 4]]));
  });

  test('weighted: what counts more decides', () => {
    const agents = { fast: { costMicros: 100 }, cheap: { costMicros: 10 } };
    const of = (weights: object) => {
      const { see, spread } = setUp(agents, { by: 'weighted', weights });
      see('fast', 10, 10, 10, 1_000);
      see('cheap', 10, 10, 100, 1_000);
      return [...spread(20, 1_100).keys()];
    };
    expect(of({ latency: 3, cost: 1 })).toEqual(['fast']);
    expect(of({ latency: 1, cost: 3 })).toEqual(['cheap']);
  });

  test('a new agent that nobody knows gets its share at once', () => {
    const { see, spread } = setUp({ old: {}, new: {} }, 'fastest');
    see('old', 30, 30, 10, 1_000);
    expect(spread(10, 1_100).get('new')).toBe(5);
  });
});

describe('an agent that is named', () => {
  test.each<RouteData>(['least-loaded', 'round-robin', 'fastest'])('gets it while it is free: %s', (by) => {
    const { roster, router, entry, see, spread } = setUp({ a: {}, b: {}, c: {} }, by, 2);
    roster.beat('b' as Token, 'j' as Token, { state: 'ready', inFlight: 0, concurrency: 2 }, 0);
    see('a', 10, 10, 5, 1_000);
    see('b', 10, 10, 500, 1_000);
    const agent = 'b' as Token;
    expect(spread(8, 1_100, { agent })).toEqual(new Map([['b', 8]]));
    const given = Array.from({ length: 5 }, () => {
      const chosen = router.route(entry, 1_100, { agent });
      if (chosen !== undefined) {
        chosen.instance.inFlight++;
      }
      return chosen;
    });
    expect(given.map((one) => one?.instance.agent ?? 'none')).toEqual(['b', 'b', 'b', 'b', 'none']);
    expect(new Set(given.map((one) => one?.instance.id)).size).toBe(3); // both of its instances, then nobody
    expect(given[0]?.routed?.why).toBe(by === 'fastest' ? 'full' : undefined);
    expect(router.route(entry, 1_100, { agent: 'nobody' as Token })).toBeUndefined();
    expect(router.route(entry, 1_100, { agent: 'a' as Token, suits: () => false })).toBeUndefined();
  });
});

describe('floors', () => {
  const floors = { by: 'round-robin', success: [0.95, 0.9], never: 0.7 } as const;

  test('the best tier first, the next while it is full, and below the last floor nobody', () => {
    const { see, router, entry, roster } = setUp({ a: {}, b: {}, c: {} }, floors, 1);
    see('a', 64, 64, 5, 1_000);
    for (let i = 0; i < 10; i++) {
      see('b', 12, 11, 5, 1_000);
      see('c', 10, 5, 5, 1_000);
    }
    const chosen = router.route(entry, 1_100);
    expect([chosen?.instance.agent, chosen?.routed?.floor, chosen?.routed?.why]).toEqual([
      'a',
      0.95,
      'first',
    ]);
    const take = (agent: string) => {
      const one = roster.get(agent, 'i');
      if (one !== undefined) {
        one.inFlight = 1;
      }
    };
    take('a');
    const second = router.route(entry, 1_100);
    expect([second?.instance.agent, second?.routed?.floor, second?.routed?.why]).toEqual(['b', 0.9, 'full']);
    expect(second?.routed?.away).toHaveLength(1);
    take('b');
    expect(router.route(entry, 1_100)).toBeUndefined();
  });

  test('whoever is below the last floor is tried now and then, and is back once it is well', () => {
    const { see, router, entry } = setUp({ a: {}, b: {} }, floors);
    see('a', 64, 64, 5, 1_000);
    see('b', 64, 0, 5, 1_000);
    const toB: { why: string | undefined; now: number }[] = [];
    const healsAt = 31_000;
    for (let now = 1_000; now < 61_000; now += 10) {
      const chosen = router.route(entry, now);
      const agent = chosen?.instance.agent ?? '';
      see(agent, 1, agent === 'a' || now > healsAt ? 1 : 0, 5, now);
      if (agent === 'b') {
        toB.push({ why: chosen?.routed?.why, now });
      }
    }
    const ill = toB.filter(({ now }) => now <= healsAt);
    expect(new Set(ill.map(({ why }) => why))).toEqual(new Set(['probe']));
    expect(ill.length).toBeGreaterThan(2);
    expect(ill.length).toBeLessThan(30); // of 3 000
    const back = toB.find(({ why, now }) => now > healsAt && why !== 'probe')?.now ?? Infinity;
    expect(back - healsAt).toBeLessThan(20_000);
  });

  test('two gateways agree: what one saw counts with the other', () => {
    const [one, other] = [setUp({ a: {}, b: {} }, 'fastest'), setUp({ a: {}, b: {} }, 'fastest')];
    one.see('a', 10, 10, 5, 1_000);
    one.see('b', 10, 10, 500, 1_000);
    const news = one.stats.news();
    expect(one.stats.news()).toBeUndefined();
    other.stats.learn(JSON.parse(JSON.stringify(news)) as NonNullable<typeof news>, 1_050);
    expect(other.spread(50, 1_100)).toEqual(new Map([['a', 50]]));
  });
});

describe('difficulty and attributes', () => {
  const agents = {
    nov: { proficiency: 'novice' },
    com: { proficiency: 'competent' },
    exp: { proficiency: 'expert', attributes: { gpu: true, tier: 3 } },
  } as const;

  test('hard goes to an expert, to the competent while the expert is full, and never to a novice', () => {
    const { router, entry, roster } = setUp(agents, 'least-loaded', 1);
    const hard = { wish: wish(undefined, 'hard') };
    const got: (string | undefined)[] = [];
    for (let i = 0; i < 3; i++) {
      const chosen = router.route(entry, 1_000, hard);
      got.push(chosen?.instance.agent);
      const one = chosen && roster.get(chosen.instance.agent, 'i');
      if (one !== undefined) {
        one.inFlight++;
      }
    }
    expect(got).toEqual(['exp', 'com', undefined]);
  });

  test('easy and normal calls begin where it costs least to answer them', () => {
    const { spread } = setUp(agents, 'round-robin');
    expect(spread(3, 1_000, { wish: wish(undefined, 'easy') })).toEqual(new Map([['nov', 3]]));
    expect(spread(3, 1_000, { wish: wish(undefined, 'normal') })).toEqual(new Map([['com', 3]]));
  });

  test('attributes: of the call and of the policy together', () => {
    const { spread } = setUp(agents, { where: ['gpu=true'] });
    expect(spread(3, 1_000)).toEqual(new Map([['exp', 3]]));
    expect(spread(3, 1_000, { wish: wish('tier=3') })).toEqual(new Map([['exp', 3]]));
    expect(spread(3, 1_000, { wish: wish('tier=4') })).toEqual(new Map([['none', 3]]));
  });
});

describe('wishes', () => {
  test.each([
    ['quickest', undefined],
    ['fastest, cheapest', undefined],
    ['gpu=true, gpu=false', undefined],
    ['gpu==true', undefined],
    ['', undefined],
    ['fastest,', undefined],
    ['x'.repeat(300), undefined],
    ['a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1,j=1', undefined],
    [undefined, 'impossible'],
    [undefined, ''],
  ])('%j, %j is refused as header_invalid', (route, difficulty) => {
    expect(() => readWish(route, difficulty)).toThrow(expect.objectContaining({ code: 'header_invalid' }));
  });

  test('only what the policy lets calls ask for', () => {
    const route = routeOf({ by: 'cheapest', calls: ['fastest', 'difficulty'] });
    const said = (...asked: [string?, string?]) => {
      try {
        const one = readWish(...asked);
        return one === undefined ? 'none' : (refuseWish(route, one, WHAT), 'fine');
      } catch (err) {
        return (err as { code?: string }).code;
      }
    };
    expect([said('fastest'), said(undefined, 'hard'), said()]).toEqual(['fine', 'fine', 'none']);
    expect([said('best'), said('gpu=true'), said('preferred')]).toEqual(Array(3).fill('route_denied'));
    const free = readWish('preferred', undefined);
    expect(() => free && refuseWish(routeOf('best'), free, WHAT)).toThrow(
      expect.objectContaining({ code: 'route_denied' }),
    );
  });
});

describe('the policy file', () => {
  const troubles = (routing: string) =>
    readPolicy(`version: 1\nrouting:\n  work.do: ${routing}\n`, 'f').problems.map(({ where }) =>
      where.replace('routing.work.do', ''),
    );

  test.each([
    ['the plain form', 'round-robin'],
    ['a word that is new', 'cheapest'],
    ['floors', '{ by: cheapest, success: [0.95, 0.9, 0.7], never: 0.7 }'],
    ['weights', '{ by: weighted, weights: { latency: 1, success: 4 } }'],
    ['everything', "{ by: preferred, prefer: [a, b], near: zone, where: ['gpu=true'], calls: [] }"],
  ])('%s is read', (_, routing) => {
    expect(troubles(routing)).toEqual([]);
  });

  test.each([
    ['a tier above the one before it', '{ success: [0.9, 0.95] }', '.success[1]'],
    ['a tier twice', '{ success: [0.9, 0.9] }', '.success[1]'],
    ['never above the lowest tier', '{ success: [0.9], never: 0.95 }', '.never'],
    ['percent', '{ success: [95] }', '.success[0]'],
    ['below zero', '{ never: -0.1 }', '.never'],
    ['not a number', '{ never: .nan }', '.never'],
    ['endless', '{ never: .inf }', '.never'],
    ['no weight', '{ by: weighted, weights: { latency: 0 } }', '.weights'],
    ['a fraction as weight', '{ by: weighted, weights: { latency: 0.5 } }', '.weights.latency'],
    ['weights that never count', '{ by: fastest, weights: { cost: 1 }, calls: [] }', '.weights'],
    ['preferred without a list', 'preferred', ''],
    ['preferred without agents', '{ by: preferred }', '.by'],
    ['an agent twice', '{ by: preferred, prefer: [a, a] }', '.prefer'],
    ['two values of one attribute', "{ where: ['a=1', 'a=2'] }", '.where'],
    ['too many tiers', '{ success: [0.9, 0.8, 0.7, 0.6, 0.5] }', '.success'],
    ['a word that is none', 'quickest', ''],
    ['a key that is none', '{ fastest: true }', '.fastest'],
    ['nothing to choose by', '{ by: 7 }', '.by'],
  ])('%s is refused with its place', (_, routing, where) => {
    expect(troubles(routing)).toEqual([where]);
  });
});

describe('learning', () => {
  const ten = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`a${i}`, {}]));

  /** Ten agents of which three are ten times as slow; the slow set swaps halfway. */
  function run(data: RouteData, perSecond: number, seed: number) {
    const random = seeded(seed);
    const { router, roster, entry, see } = setUp(ten, data, 64, seed);
    const half = 60_000;
    const waiting: { agent: string; ms: number; atMs: number }[] = [];
    const times: { atMs: number; ms: number; agent: string }[] = [];
    for (let now = 0; now < 2 * half; now += 1000 / perSecond) {
      for (const one of waiting.filter(({ atMs }) => atMs <= now)) {
        waiting.splice(waiting.indexOf(one), 1);
        see(one.agent, 1, 1, one.ms, one.atMs);
        const instance = roster.get(one.agent, 'i');
        if (instance !== undefined) {
          instance.inFlight--;
        }
      }
      const instance = router.route(entry, now + 1)?.instance;
      if (instance === undefined) {
        continue;
      }
      instance.inFlight++;
      const slow = (now < half ? ['a0', 'a1', 'a2'] : ['a3', 'a4', 'a5']).includes(instance.agent);
      const ms = (slow ? 500 : 50) * (0.7 + 0.6 * random());
      waiting.push({ agent: instance.agent, ms, atMs: now + ms });
      times.push({ atMs: now, ms, agent: instance.agent });
    }
    return { half, times };
  }
  const mean = (list: readonly { ms: number }[]) => list.reduce((sum, { ms }) => sum + ms, 0) / list.length;

  test.each([20, 100, 500])(
    'at %i calls a second: slow agents are avoided, healed ones come back',
    (rate) => {
      const seed = 7;
      const uniform = mean(run('round-robin', rate, seed).times);
      const { times, half } = run('fastest', rate, seed);
      const steady = [...times].filter(({ atMs }) => (atMs > 20_000 && atMs < half) || atMs > half + 40_000);
      expect(mean(steady) / uniform).toBeLessThan(0.3);
      expect(mean(times) / uniform).toBeLessThan(0.4);
      for (const agent of ['a0', 'a1', 'a2']) {
        const late = times.filter(({ atMs }) => atMs > half + 25_000 && atMs < half + 35_000);
        const share = late.filter((one) => one.agent === agent).length / late.length;
        expect(share * 10, `${agent} of its fair share`).toBeGreaterThan(0.5);
      }
    },
  );

  test('a healed agent is known by three tries, however long nobody looked at it before', () => {
    for (const sinceMs of [10, 15_000, 60_000]) {
      const known = new Known();
      for (let i = 0; i < 3; i++) {
        known.add({ n: 1, ok: 1, ms: 400 }, 1_000 + i);
      }
      for (let i = 0; i < 3; i++) {
        expect(known.ms).toBeGreaterThan(60);
        known.add({ n: 1, ok: 1, ms: 50 }, 1_040 + sinceMs + i * 1_000);
        expect(known.mends || known.ms === 50, `try ${i} after ${sinceMs} ms`).toBe(true);
      }
      expect(known.ms).toBe(50);
    }
  });

  test('the same inputs and the same seed give the same choices; another seed begins elsewhere', () => {
    const names = (seed: number) => run('fastest', 50, seed).times.map(({ agent }) => agent);
    expect(names(3)).toEqual(names(3));
    expect(names(3).slice(0, 5)).not.toEqual(names(4).slice(0, 5));
  });

  test('a slow agent that is not tried is never found to have healed: the test above can fail', () => {
    const { router, entry, see, spread } = setUp({ a: {}, b: {} }, 'fastest');
    see('a', 10, 10, 5, 0);
    see('b', 10, 10, 500, 0);
    expect(router.route(entry, 1)?.instance.agent).toBe('a');
    expect(spread(2_000, 100).get('b')).toBeUndefined(); // too soon
    expect(spread(2_000, limits.routeProbeMs + 400).get('b')).toBe(1); // once, until it is known how it did
  });

  test('a breaker that is open keeps every call and every try away', () => {
    for (const data of ['fastest', 'least-loaded', { never: 0.5 }] as const) {
      const { router, spread, see } = setUp({ a: {}, b: {} }, data);
      see('b', 10, 10, 500, 0);
      router.isOpen = (agent, capability) => agent === 'a' && capability === WHAT;
      expect(spread(50, 20_000)).toEqual(new Map([['b', 50]]));
    }
  });

  test('statistics stay within their bound and forget what is old', () => {
    const stats = new Stats();
    for (let i = 0; i < limits.statsCells + 100; i++) {
      stats.see(WHAT, `a${i}`, { n: 1, ok: 1, ms: 1 }, 1_000);
    }
    expect(stats.size).toBe(limits.statsCells);
    for (let news = stats.news(); news !== undefined; news = stats.news()) {
      expect(news.seen[0]?.agents.length).toBeLessThanOrEqual(limits.statsRows);
    }
    stats.see(WHAT, 'late', { n: 1, ok: 1, ms: 1 }, 1_000 + limits.statsForgetMs + 20_000);
    expect(stats.of(WHAT, 'late')?.ms).toBe(1);
    expect(stats.size).toBe(1);
  });

  test('what a gateway says is held within reason', () => {
    const stats = new Stats();
    const row = { capability: WHAT, agents: ['a', 'b'], n: [1], ok: [5], ms: [-1], micros: [-1] };
    stats.learn({ seen: [row] }, 1_000);
    expect([stats.of(WHAT, 'a'), stats.of(WHAT, 'b')]).toEqual([undefined, undefined]);
  });

  test('a ranked choice costs about the same for ten and for a thousand agents', () => {
    const timeOf = (n: number) => {
      const agents = Object.fromEntries(Array.from({ length: n }, (_, i) => [`a${i}`, {}]));
      const { router, entry } = setUp(agents, 'weighted');
      router.route(entry, 0);
      const began = performance.now();
      for (let i = 0; i < 20_000; i++) {
        router.route(entry, 0);
      }
      return performance.now() - began;
    };
    timeOf(10);
    expect(timeOf(1_000)).toBeLessThan(Math.max(20, timeOf(10)) * 5);
  });
});

describe('whose failures count', () => {
  /** Share of success after so many calls of each, in turn; `alone`: nobody else calls. */
  function success(failing: readonly string[], fine: readonly string[], judge: Pick<Blame, 'counts'>) {
    const stats = new Stats();
    for (let i = 0; i < 400; i++) {
      for (const by of [...failing, ...failing, ...failing, ...fine]) {
        const ok = fine.includes(by) ? 1 : 0;
        const now = 1_000 + i;
        if (judge.counts(WHAT, 'a', by, ok === 1, now)) {
          stats.see(WHAT, 'a', { n: 1, ok, ms: 5 }, now);
        }
      }
    }
    return stats.of(WHAT, 'a')?.success ?? 0;
  }

  test('one caller cannot take an agent from the others, however many of its calls fail', () => {
    expect(success(['eve'], ['ann'], new Blame())).toBeGreaterThan(0.7);
    expect(success(['eve'], ['ann'], { counts: () => true })).toBeLessThan(0.4); // without it
  });

  test('an agent that fails everybody, or its only caller, is found out', () => {
    expect(success(['ann'], [], new Blame())).toBeLessThan(0.05);
    expect(success(['ann', 'bob'], [], new Blame())).toBeLessThan(0.05);
  });
});

describe('what a decision keeps', () => {
  const agents = { cheap: { costMicros: 10 }, dear: { costMicros: 1_000 }, other: { costMicros: 50 } };

  test('a cheaper, a safer and a faster route can be asked for afterwards', () => {
    const { router, entry, see, stats, roster } = setUp(agents, 'cheapest', 1);
    see('dear', 40, 40, 10, 1_000);
    stats.see(WHAT, 'cheap', { n: 40, ok: 30, ms: 90 }, 1_000);
    const cheap = roster.get('cheap', 'i');
    if (cheap !== undefined) {
      cheap.inFlight = 1;
    }
    const { routed } = router.route(entry, 1_100) ?? {};
    expect(routed).toMatchObject({ by: 'cheapest', why: 'full', of: 3 });
    const said = explain(routed as Routed);
    expect(said.chosen.agent).toBe('other');
    expect(said.cheaper).toMatchObject({ agent: 'cheap', away: true, micros: 10 });
    expect([said.safer, said.faster]).toEqual([undefined, undefined]); // nothing is known of the chosen one
    stats.see(WHAT, 'other', { n: 40, ok: 30, ms: 50 }, 1_100);
    const later = explain(router.route(entry, 2_000)?.routed as Routed);
    expect(later.safer).toMatchObject({ agent: 'dear' });
    expect(later.safer?.away).toBeUndefined();
    expect(later.faster?.agent).toBe('dear');
  });

  test('it names a few of a thousand, in a few hundred bytes', () => {
    const many = Object.fromEntries(
      Array.from({ length: 1_000 }, (_, i) => [`agent-${i}`, { costMicros: i }]),
    );
    const { router, entry } = setUp(many, 'cheapest');
    const routed = router.route(entry, 1_000)?.routed;
    expect(routed?.of).toBe(1_000);
    expect(routed?.others.length).toBeLessThanOrEqual(limits.routeShown);
    expect(JSON.stringify(routed).length).toBeLessThan(400);
  });
});

describe('cheap and weak beside dear and strong', () => {
  /** Calls of three difficulties, one label in five wrong; success is judged outside. */
  function run(data: RouteData, labelled: boolean, seed: number) {
    const random = seeded(seed);
    const { router, entry } = setUp(
      {
        weak1: { proficiency: 'competent', costMicros: 100 },
        weak2: { proficiency: 'competent', costMicros: 100 },
        strong1: { proficiency: 'expert', costMicros: 1_000 },
        strong2: { proficiency: 'expert', costMicros: 1_000 },
      },
      data,
      64,
      seed,
    );
    const words = ['easy', 'normal', 'hard'];
    let [cost, good] = [0, 0];
    const n = 4_000;
    for (let i = 0; i < n; i++) {
      const u = random();
      const truth = u < 0.5 ? 'easy' : u < 0.8 ? 'normal' : 'hard';
      const others = words.filter((word) => word !== truth);
      const label = random() < 0.2 ? (others[random() < 0.5 ? 0 : 1] ?? truth) : truth;
      const chosen = router.route(entry, i, labelled ? { wish: wish(undefined, label) } : {});
      const strong = chosen?.instance.agent.startsWith('strong') === true;
      cost += strong ? 1_000 : 100;
      const odds = strong ? 0.97 : { easy: 0.96, normal: 0.93, hard: 0.3 }[truth];
      good += random() < (odds ?? 0) ? 1 : 0;
    }
    return { cost: cost / n, success: good / n };
  }

  test.each([1, 2, 3])(
    'costs at most 0.6 × of even spreading, with success not below it (seed %i)',
    (seed) => {
      const even = run('round-robin', false, seed);
      const routed = run('cheapest', true, seed);
      expect(routed.cost / even.cost).toBeLessThan(0.6);
      expect(routed.success).toBeGreaterThanOrEqual(even.success);
    },
  );
});

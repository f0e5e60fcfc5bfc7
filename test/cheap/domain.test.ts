import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cardDigest } from '../../src/domain/card.js';
import { backoffMs } from '../../src/domain/backoff.js';
import { compilePolicy } from '../../src/domain/policy.js';
import { nearNames } from '../../src/domain/near.js';
import { Registry } from '../../src/domain/registry.js';
import { Roster } from '../../src/domain/roster.js';
import { Router } from '../../src/domain/routing/router.js';
import { checkSchema } from '../../src/domain/schema-safety.js';
import { openTicket, sealTicket } from '../../src/domain/ticket.js';
import { compile } from '../../src/domain/validator.js';
import { Wheel, type Timed } from '../../src/gateway/wheel.js';
import { MeshError } from '../../src/wire/errors.js';
import type { DecisionRecord } from '../../src/wire/generated/messages.js';
import { limits } from '../../src/wire/limits.js';
import type { Capability, Token } from '../../src/wire/names.js';

const codeOf = (act: () => unknown): string => {
  try {
    act();
    return 'none';
  } catch (err) {
    return err instanceof MeshError ? err.code : String(err);
  }
};

const ring = { current: 'k1', keys: new Map([['k1', Buffer.alloc(32, 7)]]), epoch: '1' };
const record = {
  v: 1,
  verdict: 'allow',
  gateway: 'gw',
  nonce: 'n',
  from: 'me',
  call: 'c',
  capability: 'a.b',
  attempt: 1,
  agent: 'bob',
  deadline: 5,
  root: 'me.c',
  chain: ['me', 'bob/a.b'],
  digest: 'd',
  at: 1,
} as DecisionRecord;

describe('tickets', () => {
  test('the same record gives the same bytes on any gateway, and they open', () => {
    const sealed = sealTicket(ring, record, 9);
    expect(sealTicket(ring, { ...record }, 9)).toEqual(sealed);
    expect(openTicket(ring, sealed.text)).toMatchObject({ seq: 9, agent: 'bob', chain: record.chain });
    expect(sealed.text).not.toContain(sealed.resultMac);
  });

  test('no changed byte is believed', () => {
    const { text } = sealTicket(ring, record, 9);
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.integer({ min: 1, max: 127 }), (at, by) => {
        const changed =
          text.slice(0, at) + String.fromCharCode((text.charCodeAt(at) + by) % 128) + text.slice(at + 1);
        expect(codeOf(() => openTicket(ring, changed))).toBe('ticket_invalid');
      }),
      { numRuns: 2_000 },
    );
  });

  test('nor one of another stream or key', () => {
    const { text } = sealTicket(ring, record, 9);
    expect(codeOf(() => openTicket({ ...ring, epoch: '2' }, text))).toBe('ticket_invalid');
    expect(codeOf(() => openTicket({ ...ring, keys: new Map([['k1', Buffer.alloc(32, 8)]]) }, text))).toBe(
      'ticket_invalid',
    );
  });
});

describe('schemas of strangers', () => {
  const tree = {
    type: 'object',
    properties: { left: { $ref: '#' }, right: { $ref: '#' }, more: { type: 'array', items: { $ref: '#' } } },
  };

  test('honest recursion is allowed, and works', () => {
    expect(codeOf(() => checkSchema(tree, 'a.b', ''))).toBe('none');
    expect(compile(tree)({ left: { right: {} }, more: [{ left: 1 }] })).toHaveLength(1);
  });

  test.each([
    [
      'a name that two keywords look at',
      { patternProperties: { x: { $ref: '#' } }, properties: { x: { $ref: '#' } } },
    ],
    [
      'a reference beside properties',
      {
        $ref: '#/$defs/b',
        properties: { x: { $ref: '#/$defs/a' } },
        $defs: {
          a: { $ref: '#/$defs/b', properties: { x: { $ref: '#/$defs/a' } } },
          b: { properties: { x: { $ref: '#/$defs/a' } } },
        },
      },
    ],
    ['a conditional', { if: { properties: { x: { $ref: '#' } } } }],
  ])('recursion through %s is refused', (_, schema) => {
    expect(codeOf(() => checkSchema(schema, 'a.b', ''))).toBe('card_schema');
  });

  test('a checked schema answers fast for deep data', () => {
    let data: object = {};
    for (let i = 0; i < 30; i++) {
      data = { left: data, right: {} };
    }
    const validate = compile(tree);
    const began = performance.now();
    validate(data);
    expect(performance.now() - began).toBeLessThan(50);
  });

  test('patterns are told apart (an engine that mixes them up says true to a bad value)', () => {
    const validate = compile({
      type: 'object',
      properties: { a: { type: 'string', pattern: '^a+$' }, b: { type: 'string', pattern: '^b+$' } },
    });
    expect(validate({ a: 'aa', b: 'bb' })).toBeUndefined();
    expect(validate({ a: 'aa', b: 'aa' })).toHaveLength(1);
  });
});

describe('routing', () => {
  const setUp = (agents: number, policy: 'round-robin' | 'least-loaded') => {
    const registry = new Registry();
    const roster = new Roster(() => 't' as Token);
    for (let i = 0; i < agents; i++) {
      const name = `a${i}` as Token;
      registry.put(name, { concurrency: 4, capabilities: [{ name: 'work.do', version: '1.0' }] });
      roster.beat(name, 'i' as Token, { state: 'ready', inFlight: 0, concurrency: 4 }, 0);
    }
    const entry = registry.find('work.do');
    if (entry === undefined) {
      throw new Error('no entry');
    }
    return { registry, roster, entry, router: new Router(registry, roster, () => policy) };
  };

  test.each(['round-robin', 'least-loaded'] as const)(
    '%s never gives more than an instance can take, and spreads',
    (policy) => {
      const { router, entry, roster } = setUp(5, policy);
      const counts = new Map<string, number>();
      for (let i = 0; i < 20; i++) {
        const chosen = router.choose(entry, 0);
        if (chosen !== undefined) {
          chosen.inFlight++;
          counts.set(chosen.agent, (counts.get(chosen.agent) ?? 0) + 1);
        }
      }
      expect([...counts.values()]).toEqual([4, 4, 4, 4, 4]);
      expect(router.choose(entry, 0)).toBeUndefined();
      const freed = roster.get('a3', 'i');
      if (freed !== undefined) {
        freed.inFlight--;
      }
      expect(router.choose(entry, 0)?.agent).toBe('a3');
    },
  );

  test('a lapsed, draining or resting instance gets nothing', () => {
    const { router, entry, roster } = setUp(2, 'round-robin');
    roster.beat('a0' as Token, 'i' as Token, { state: 'draining', inFlight: 0, concurrency: 4 }, 0);
    expect(router.choose(entry, 0)?.agent).toBe('a1');
    expect(roster.expire(limits.leaseMs + 1).map((i) => i.agent)).toEqual(['a0', 'a1']);
    expect(router.choose(entry, 0)).toBeUndefined();
  });

  test('a choice costs about the same for ten and for a thousand agents', () => {
    const timeOf = (agents: number) => {
      const { router, entry } = setUp(agents, 'least-loaded');
      router.choose(entry, 0);
      const began = performance.now();
      for (let i = 0; i < 20_000; i++) {
        router.choose(entry, 0);
      }
      return performance.now() - began;
    };
    timeOf(10);
    expect(timeOf(1_000)).toBeLessThan(Math.max(20, timeOf(10)) * 5);
  });
});

describe('policy', () => {
  const text = `version: 1
roles:
  reader: { call: ['fs.read', 'docs.*'], mayRoot: true }
  worker: { serve: ['docs.>'] }
members:
  alice: [reader]
  bob: [worker]
routing: { 'docs.>': round-robin }
`;

  test('what is not listed is refused', () => {
    const p = compilePolicy(text, 'f');
    expect([
      p.mayCall('alice', 'fs.read'),
      p.mayCall('alice', 'fs.write'),
      p.mayCall('bob', 'fs.read'),
      p.mayCall('nobody', 'fs.read'),
    ]).toEqual([true, false, false, false]);
    expect([p.mayServe('bob', 'docs.a.b'), p.mayServe('alice', 'docs.a')]).toEqual([true, false]);
    expect(['alice', 'bob', 'nobody'].map((who) => p.mayRoot(who, 'a.b'))).toEqual([true, false, false]);
    expect([p.routingOf('docs.x').by, p.routingOf('fs.read').by]).toEqual(['round-robin', 'least-loaded']);
  });

  test.each([
    ['not yaml', ': : :'],
    ['no version', 'roles: {}'],
    ['an unknown key', 'version: 1\nrolls: {}'],
    ['an unknown role', 'version: 1\nmembers: { a: [b] }'],
    ['a bad pattern', "version: 1\nroles: { r: { call: ['A*'] } }"],
    ['a key twice', 'version: 1\nversion: 1'],
    ['aliases that explode', 'version: 1\nroles: &a { r: { call: [] } }\nmembers: *a'],
    ['a list instead of a map', '- 1'],
    ['an empty file', ''],
  ])('%s is refused', (_, bad) => {
    expect(codeOf(() => compilePolicy(bad, 'f'))).toBe('config_invalid');
  });
});

describe('small things', () => {
  test('digests of cards do not depend on the order of keys', () => {
    const a = {
      concurrency: 1,
      capabilities: [{ name: 'a.b', version: '1.0', input: { type: 'object', title: 'x' } }],
    };
    const b = {
      capabilities: [{ input: { title: 'x', type: 'object' }, version: '1.0', name: 'a.b' }],
      concurrency: 1,
    };
    expect(cardDigest(a as never)).toBe(cardDigest(b as never));
  });

  test('near names', () => {
    expect(nearNames('fs.reed', ['fs.read', 'fs.write', 'docs.count'])).toEqual(['fs.read']);
  });

  test('back-off doubles, is capped and never zero', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (attempt, chance) => {
          const wait = backoffMs(attempt, chance);
          expect(wait).toBeGreaterThanOrEqual(limits.backoffMs / 2);
          expect(wait).toBeLessThanOrEqual(limits.backoffMaxMs);
        },
      ),
    );
  });

  test('the wheel turns every item once, in order, also after a pause', () => {
    const due: number[] = [];
    const wheel = new Wheel<Timed & { n: number }>((item) => due.push(item.n));
    const base = Date.now();
    const items = [500, 40, 40_000, 100].map((ms, n) => ({ n, slot: undefined, ms }));
    items.forEach((item) => wheel.set(item, base + item.ms));
    wheel.cancel(items[3] as Timed & { n: number });
    wheel.turn(base + 100);
    wheel.turn(base + 50_000);
    expect(due).toEqual([1, 0, 2]);
  });

  test('a registry forgets what an agent no longer offers', () => {
    const r = new Registry();
    r.put('a' as Token, { concurrency: 1, capabilities: [{ name: 'x.y', version: '1.0' }] });
    r.put('a' as Token, { concurrency: 1, capabilities: [{ name: 'x.z', version: '2.1' }] });
    expect([r.majorsOf('x.y'), r.majorsOf('x.z')]).toEqual([[], [2]]);
    expect(r.find('x.z' as Capability)?.offers.size).toBe(1);
  });
});

test('a contract that nobody alive holds ends with the first card of another', () => {
  const r = new Registry();
  const cardWith = (field: string) => ({
    concurrency: 1,
    capabilities: [{ name: 'z.z', version: '1.0', input: { type: 'object', required: [field] } }],
  });
  r.put('dead' as Token, cardWith('old'));
  expect(codeOf(() => r.check('fresh' as Token, cardWith('new'), () => true))).toBe('card_conflict');
  r.check('fresh' as Token, cardWith('new'), () => false);
  r.put('fresh' as Token, cardWith('new'));
  const entry = r.find('z.z');
  expect([...(entry?.offers.keys() ?? [])]).toEqual(['fresh']);
  expect([entry?.input({ new: 1 }), entry?.input({ old: 1 })?.length]).toEqual([undefined, 1]);
});

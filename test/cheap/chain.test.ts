import { describe, expect, test } from 'vitest';
import { guards, runChain } from '../../src/chain/chain.js';
import { draftOf, type World } from '../../src/chain/draft.js';
import type { AdmittedCall, Guard } from '../../src/chain/verdict.js';
import { GrantBook } from '../../src/domain/grants/book.js';
import { compilePolicy } from '../../src/domain/policy.js';
import { Registry } from '../../src/domain/registry.js';
import { RevokedNames } from '../../src/domain/revoked.js';
import { Roster } from '../../src/domain/roster.js';
import { Router } from '../../src/domain/routing/router.js';
import { sealTicket } from '../../src/domain/ticket.js';
import { meshError } from '../../src/wire/errors.js';
import type { DecisionRecord } from '../../src/wire/generated/messages.js';
import { limits } from '../../src/wire/limits.js';
import type { Token } from '../../src/wire/names.js';
import { newCallId } from '../../src/wire/ulid.js';

const ring = { current: 'k1', keys: new Map([['k1', Buffer.alloc(32, 1)]]), epoch: '1' };

function world(policy: string): World {
  const registry = new Registry();
  const roster = new Roster(() => 't' as Token);
  registry.put('bob' as Token, {
    concurrency: 1,
    capabilities: [{ name: 'a.b', version: '1.0', lifeMs: 60_000 }],
  });
  roster.beat('bob' as Token, 'i' as Token, { state: 'ready', inFlight: 0, concurrency: 1 }, 0);
  return {
    ring,
    policy: compilePolicy(policy, 'f'),
    grants: new GrantBook(() => new Map()),
    revoked: new RevokedNames(),
    registry,
    router: new Router(registry, roster, () => 'round-robin'),
  };
}

const POLICY = `version: 1
roles:
  root: { call: ['a.>'], mayRoot: true }
  agent: { call: ['a.b'], serve: ['a.>'] }
members: { alice: [root], bob: [agent], weak: [] }
`;

const call = (from: string, headers: Record<string, string> = {}, capability = 'a.b') =>
  draftOf(
    {
      from,
      capability,
      headers: new Map(Object.entries({ 'Mesh-Call': newCallId(), ...headers })),
      body: Buffer.from('{}'),
    },
    Date.now(),
  );

const ticketOf = (more: Partial<DecisionRecord>): string =>
  sealTicket(
    ring,
    {
      agent: 'bob',
      from: 'alice',
      call: 'c',
      attempt: 1,
      deadline: Date.now() + 5_000,
      root: 'alice.c',
      chain: ['alice', 'bob/a.b'],
      ...more,
    } as DecisionRecord,
    3,
  ).text;

const answer = (
  from: string,
  headers: Record<string, string> = {},
  capability = 'a.b',
  policy = POLICY,
): string => {
  const verdict = runChain(call(from, headers, capability), world(policy));
  return verdict.verdict === 'deny' ? verdict.error.code : verdict.verdict;
};

describe('the chain', () => {
  test('runs first line first and stops at the first no', () => {
    const log: string[] = [];
    const logged = guards.map((g): Guard => ({
      name: g.name,
      check: (d, w) => (log.push(g.name), g.check(d, w)),
    }));
    expect(runChain(call('alice'), world(POLICY), logged).verdict).toBe('allow');
    expect(log.join(' → ')).toBe(
      'decode → ticket → deadline → loop → granted → tree → resolve → schema → route → policy → rate → budget',
    );
    log.length = 0;
    expect(runChain(call('stranger', { 'Mesh-Deadline': 'x' }), world(POLICY), logged).verdict).toBe('deny');
    expect(log.join(' → ')).toBe('decode → ticket');
  });

  test('a guard that throws is a no, never a yes', () => {
    const broken: Guard = {
      name: 'broken',
      check: () => {
        throw new TypeError('a bug');
      },
    };
    const verdict = runChain(call('alice'), world(POLICY), [broken]);
    expect(verdict).toMatchObject({ verdict: 'deny', error: { code: 'internal' } });
  });

  test('only the chain makes an admitted call', () => {
    // @ts-expect-error a draft is not admitted: dispatch would not compile with it
    const admitted: AdmittedCall = call('alice');
    expect(admitted.entry).toBeUndefined();
  });

  test('asked for capacity that is not there, it holds', () => {
    const w = world(POLICY);
    const first = runChain(call('alice'), w);
    expect(first.verdict).toBe('allow');
    if (first.verdict === 'allow') {
      first.call.instance.inFlight++;
    }
    expect(runChain(call('alice'), w)).toMatchObject({ verdict: 'hold', why: 'capacity' });
  });
});

describe('authority only narrows (D10)', () => {
  test.each([
    ['a stranger', 'stranger', {}, 'a.b', 'root_denied'],
    ['an agent that drops its ticket', 'bob', {}, 'a.b', 'root_denied'],
    ['a caller beyond its role', 'alice', {}, 'b.c', 'not_granted'],
    [
      'an agent beyond its own role, with a good ticket',
      'bob',
      { 'Mesh-Ticket': ticketOf({}) },
      'a.c',
      'not_granted',
    ],
    [
      'a weak root through a strong agent',
      'bob',
      { 'Mesh-Ticket': ticketOf({ chain: ['weak', 'bob/a.b'] }) },
      'a.b',
      'not_granted',
    ],
    [
      'a weak link in the middle',
      'bob',
      { 'Mesh-Ticket': ticketOf({ chain: ['alice', 'weak/a.b', 'bob/a.x'] }) },
      'a.b',
      'not_granted',
    ],
    ["another agent's ticket", 'alice', { 'Mesh-Ticket': ticketOf({}) }, 'a.b', 'ticket_foreign'],
    [
      'a ticket whose time is over',
      'bob',
      { 'Mesh-Ticket': ticketOf({ deadline: Date.now() - 1 }) },
      'a.b',
      'ticket_invalid',
    ],
    [
      'the third time in its own chain',
      'bob',
      { 'Mesh-Ticket': ticketOf({ chain: ['alice', 'bob/a.b', 'bob/a.b'] }) },
      'a.b',
      'loop_detected',
    ],
    [
      'a chain without end',
      'bob',
      { 'Mesh-Ticket': ticketOf({ chain: Array.from({ length: 17 }, (_, i) => `x/a.c${i}`) }) },
      'a.b',
      'depth_exceeded',
    ],
    ['an honest child', 'bob', { 'Mesh-Ticket': ticketOf({}) }, 'a.b', 'allow'],
  ])('%s → %s', (_, from, headers, capability, expected) => {
    expect(answer(from, headers as Record<string, string>, capability)).toBe(expected);
  });

  test('an empty policy admits nobody', () => {
    expect(answer('alice', {}, 'a.b', 'version: 1')).toBe('root_denied');
  });
});

describe('deadlines (D6)', () => {
  test("a child's deadline is at most its parent's", () => {
    const parent = Date.now() + 5_000;
    const draft = call('bob', {
      'Mesh-Ticket': ticketOf({ deadline: parent }),
      'Mesh-Deadline': String(Date.now() + 50_000),
    });
    expect(runChain(draft, world(POLICY)).verdict).toBe('allow');
    expect(draft.deadlineMs).toBe(parent);
  });

  test('the life of the capability bounds it', () => {
    expect(answer('alice', { 'Mesh-Deadline': String(Date.now() + 61_000) })).toBe('deadline_too_far');
    const old = draftOf(
      {
        from: 'alice',
        capability: 'a.b',
        headers: new Map([
          ['Mesh-Call', newCallId(Date.now() - 61_000)],
          ['Mesh-Deadline', String(Date.now() + 1_000)],
        ]),
        body: Buffer.from('{}'),
      },
      Date.now(),
    );
    expect(runChain(old, world(POLICY))).toMatchObject({ error: { code: 'call_id_expired' } });
  });

  test('one that passed while the call waited expires it', () => {
    const id = newCallId(Date.now() - 5_000);
    const late = draftOf(
      {
        from: 'alice',
        capability: 'a.b',
        headers: new Map([
          ['Mesh-Call', id],
          ['Mesh-Deadline', String(Date.now() - 1)],
        ]),
        body: Buffer.from('{}'),
      },
      Date.now(),
    );
    expect(runChain(late, world(POLICY))).toMatchObject({
      status: 'expired',
      error: { code: 'deadline_exceeded' },
    });
  });

  test('the bounds of the chain are those of the limits', () => {
    expect([limits.chainDepth, limits.chainRepeats]).toEqual([16, 2]);
    expect(meshError('depth_exceeded', { depth: 17, max: 16 }).retry).toBe('never');
  });
});

/**
 * Approvals without a mesh: what the digest stands for, whose vote counts, and what votes say together.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  approvalDigest,
  heldCall,
  isAsked,
  notEntitled,
  tally,
  type Approval,
  type HeldCall,
  type Voters,
} from '../../src/domain/approvals.js';
import { openVote, openVotes, sealVote, type Vote } from '../../src/domain/vote.js';
import type { ParkedRecord } from '../../src/wire/generated/messages.js';
import type { Token } from '../../src/wire/names.js';

const CALL = '01jd9zq0c3w8k5v7x2m4n6p8r0';
const approval: Approval = {
  policy: 'p',
  rules: [{ rule: 'large', reason: 'four eyes', approvers: ['finance'], count: 2 }],
  expires: 1_000,
  digest: 'body',
  agent: 'bank',
  card: 'card',
  root: `me.${CALL}`,
  chain: ['me', 'shop/shop.order'],
};
const record: ParkedRecord = {
  v: 1,
  why: 'approval',
  from: 'shop',
  call: CALL,
  capability: 'pay.transfer',
  gateway: 'gw',
  parkedAt: 1,
  deadline: 2_000,
  headers: {
    'Mesh-Labels': '{"tenant":"north"}',
    'Mesh-Intent': 'rent',
    'Mesh-Major': '1',
    traceparent: 't',
  },
  approval,
};
const heldOf = (one: ParkedRecord): HeldCall => {
  const held = heldCall(one);
  if (held === undefined) {
    throw new Error('it is not held');
  }
  return held;
};
const held = heldOf(record);
const digest = approvalDigest(held);
const people: Record<string, readonly string[]> = {
  ann: ['finance'],
  bob: ['finance', 'legal'],
  carl: ['legal'],
  me: ['finance'],
  shop: ['finance'],
  bank: ['finance'],
  robot: ['finance'],
};
const voters: Voters = {
  rolesOf: (member) => people[member] ?? [],
  isAgent: (member) => ['shop', 'bank', 'robot'].includes(member),
};
const ring = { current: 'k1', keys: new Map([['k1', Buffer.alloc(32, 7)]]), epoch: '1' };
const vote = (by: string, more: Partial<Vote> = {}): Vote => ({
  from: 'shop',
  call: CALL,
  digest,
  by: by as Token,
  vote: 'approve',
  at: 10,
  ...more,
});

describe('the digest', () => {
  const rule = approval.rules[0] as Approval['rules'][number];
  const changes: Record<string, Partial<ParkedRecord>> = {
    from: { from: 'shop2' },
    call: { call: CALL.replace('1', '2') },
    capability: { capability: 'pay.transfers' },
    labels: { headers: { ...record.headers, 'Mesh-Labels': '{"tenant":"south"}' } },
    intent: { headers: { ...record.headers, 'Mesh-Intent': 'gift' } },
    major: { headers: { ...record.headers, 'Mesh-Major': '2' } },
    context: { headers: { ...record.headers, 'Mesh-Context': 'c' } },
    type: { headers: { ...record.headers, 'Content-Type': 'application/msgpack' } },
    ticket: { headers: { ...record.headers, 'Mesh-Ticket': 't' } },
    grant: { headers: { ...record.headers, 'Mesh-Grant': 'g' } },
    policy: { approval: { ...approval, policy: 'q' } },
    arguments: { approval: { ...approval, digest: 'bodz' } },
    agent: { approval: { ...approval, agent: 'bank2' } },
    card: { approval: { ...approval, card: 'care' } },
    expires: { approval: { ...approval, expires: 1_001 } },
    root: { approval: { ...approval, root: `you.${CALL}` } },
    chain: { approval: { ...approval, chain: ['me'] } },
    rule: { approval: { ...approval, rules: [{ ...rule, rule: 'larger' }] } },
    approvers: { approval: { ...approval, rules: [{ ...rule, approvers: ['legal'] }] } },
    count: { approval: { ...approval, rules: [{ ...rule, count: 1 }] } },
    rules: { approval: { ...approval, rules: [rule, { ...rule, rule: 'other' }] } },
  };

  test.each(Object.entries(changes))('%s is part of it', (_, change) => {
    expect(approvalDigest(heldOf({ ...record, ...change }))).not.toBe(digest);
  });

  test('may stand in a subject, and does not depend on what nobody judges', () => {
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
    const elsewhere = {
      ...record,
      gateway: 'gw2',
      parkedAt: 7,
      headers: { ...record.headers, traceparent: 'u' },
    };
    expect(approvalDigest(heldOf(elsewhere))).toBe(digest);
  });

  test('a call that waits for capacity has none', () => {
    const { approval: _, ...rest } = record;
    expect(heldCall({ ...rest, why: 'capacity' })).toBeUndefined();
  });
});

describe('who may vote', () => {
  test.each([
    ['ann', undefined],
    ['bob', undefined],
    ['carl', 'role'],
    ['nobody', 'role'],
    ['shop', 'requester'],
    ['me', 'chain'],
    ['bank', 'agent'],
    ['robot', 'machine'],
  ])('%s: %s', (who, why) => {
    expect(notEntitled(who, held, voters)).toBe(why);
  });

  test('an agent in the middle of the chain, and the principal of a root that the chain does not name', () => {
    const deep = heldOf({
      ...record,
      approval: { ...approval, chain: ['x', 'ann/a.b', 'shop/c'], root: `bob.${CALL}` },
    });
    expect([notEntitled('ann', deep, voters), notEntitled('bob', deep, voters)]).toEqual(['chain', 'chain']);
  });

  test('whoever has a role that is named may look, also when they may not vote', () => {
    expect(['me', 'ann', 'carl'].map((who) => isAsked(who, held, voters))).toEqual([true, true, false]);
  });
});

describe('votes', () => {
  test('open again as they were sealed', () => {
    const one = vote('ann', { reason: 'fine. {"by":"eve"}' });
    expect(openVote(ring, sealVote(ring, one))).toEqual(one);
    expect(openVote({ ...ring, epoch: '2' }, sealVote(ring, one))).toBeUndefined();
    expect(openVotes(ring, ['', '.', 'x', '{}', sealVote(ring, one)])).toEqual([one]);
  });

  test('no changed byte is believed', () => {
    const sealed = sealVote(ring, vote('ann'));
    fc.assert(
      fc.property(fc.nat(sealed.length - 1), fc.integer({ min: 1, max: 127 }), (at, by) => {
        const changed = String.fromCharCode((sealed.charCodeAt(at) + by) % 128);
        expect(openVote(ring, sealed.slice(0, at) + changed + sealed.slice(at + 1))).toBeUndefined();
      }),
    );
  });
});

describe('counting', () => {
  const waits = (have: number) => ({
    state: 'waits',
    missing: [{ rule: 'large', approvers: ['finance'], have, need: 2 }],
  });

  test('two of two, of different people', () => {
    expect(tally(held, [], voters)).toEqual(waits(0));
    expect(tally(held, [vote('ann'), vote('ann', { at: 11 })], voters)).toEqual(waits(1));
    expect(tally(held, [vote('bob', { at: 11 }), vote('ann')], voters)).toEqual({
      state: 'approved',
      by: ['ann', 'bob'],
    });
  });

  test('one no is enough, and says who and why', () => {
    const no = vote('bob', { vote: 'deny', reason: 'no' });
    expect(tally(held, [vote('ann'), no], voters)).toEqual({ state: 'denied', by: 'bob', reason: 'no' });
    expect(tally(held, [no, vote('bob', { at: 12 })], voters)).toMatchObject({ state: 'denied' });
  });

  test.each<[string, Vote]>([
    ['for another digest', vote('bob', { digest: digest.replace(/^./, 'x') })],
    ['of another call', vote('bob', { call: 'other' })],
    ['of another caller', vote('bob', { from: 'me' })],
    ['after it expired', vote('bob', { at: 1_000 })],
    ['of the requester', vote('shop')],
    ['of the root principal', vote('me')],
    ['of the agent that would do it', vote('bank')],
    ['of an agent', vote('robot')],
    ['of somebody without the role', vote('carl')],
    ['of somebody without the role who says no', vote('carl', { vote: 'deny' })],
  ])('a vote %s does not count', (_, odd) => {
    expect(tally(held, [vote('ann'), odd], voters)).toEqual(waits(1));
  });

  test('a call that nobody was asked about is not approved', () => {
    const nobody = heldOf({ ...record, approval: { ...approval, rules: [] } });
    expect(tally(nobody, [], voters).state).toBe('waits');
  });

  test('random rules, people and votes, against a slow reference', () => {
    const names = ['a', 'b', 'c', 'd', 'shop', 'me', 'bank', 'robot'];
    const roles = ['r', 's', 't'];
    const rules = fc.array(
      fc.record({
        rule: fc.constantFrom('x', 'y', 'z'),
        approvers: fc.subarray(roles, { minLength: 1 }),
        count: fc.integer({ min: 1, max: 3 }),
      }),
      { minLength: 1, maxLength: 3 },
    );
    const staff = fc.tuple(...names.map(() => fc.subarray(roles)));
    const votes = fc.array(
      fc.record({
        by: fc.constantFrom(...names),
        vote: fc.constantFrom('approve' as const, 'approve' as const, 'approve' as const, 'deny' as const),
        at: fc.integer({ min: 0, max: 1_300 }),
        right: fc.integer({ min: 0, max: 5 }),
      }),
      { maxLength: 8 },
    );
    const seen = new Set<string>();
    fc.assert(
      fc.property(rules, staff, votes, (rulesNow, rolesNow, cast) => {
        const one = heldOf({ ...record, approval: { ...approval, rules: rulesNow } });
        const right = approvalDigest(one);
        const who: Voters = {
          rolesOf: (name) => rolesNow[names.indexOf(name)] ?? [],
          isAgent: (name) => voters.isAgent(name),
        };
        const list = cast.map(({ right: r, ...v }) =>
          vote(v.by, { ...v, by: v.by as Token, digest: r > 0 ? right : digest.slice(1) }),
        );
        const said = tally(one, list, who).state;
        seen.add(said);

        const ok = cast.filter(
          (v) =>
            v.right > 0 &&
            v.at < 1_000 &&
            ['a', 'b', 'c', 'd'].includes(v.by) &&
            rulesNow.some((r) => r.approvers.some((role) => who.rolesOf(v.by).includes(role))),
        );
        const no = ok.some((v) => v.vote === 'deny');
        const all = rulesNow.every(
          (r) =>
            new Set(
              ok.filter((v) => r.approvers.some((role) => who.rolesOf(v.by).includes(role))).map((v) => v.by),
            ).size >= r.count,
        );
        expect(said).toBe(no ? 'denied' : all ? 'approved' : 'waits');
      }),
      { numRuns: 3_000 },
    );
    expect(seen).toEqual(new Set(['denied', 'approved', 'waits'])); // the generator reaches all three
  });
});

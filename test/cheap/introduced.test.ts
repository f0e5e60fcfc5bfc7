import { describe, expect, test } from 'vitest';
import { carriesGrants } from '../../src/chain/in-force.js';
import { linkDigest } from '../../src/domain/grants/chain.js';
import { IntroducedGrants, isGrantDigest } from '../../src/domain/grants/introduced.js';
import { openTicket, sealTicket } from '../../src/domain/ticket.js';
import { MeshError } from '../../src/wire/errors.js';
import type { DecisionRecord } from '../../src/wire/generated/messages.js';
import { bookOf, claimsFor, member, signRaw } from '../support/grants.js';

const [corp, alice, bob] = [member('corp'), member('alice'), member('bob')];
const grant = signRaw(corp, claimsFor(alice));
const digest = linkDigest(grant);
const now = Date.now();

function codeOf(act: () => unknown): string {
  try {
    act();
    return 'good';
  } catch (err) {
    return err instanceof MeshError ? err.code : String(err);
  }
}

describe('a grant by its digest', () => {
  test('is opened like its text, once it was introduced', () => {
    const book = bookOf(corp, [alice, bob]);
    expect(codeOf(() => book.open(digest, 'alice', now))).toBe('grant_unknown');
    book.introduced.set(digest, { holder: 'alice', grant });
    expect(book.open(digest, 'alice', now)).toMatchObject({ proof: { digest }, carried: { digest } });
    expect(book.open(grant, 'alice', now).carried.digest).toBeUndefined();
    expect(codeOf(() => book.open(digest, 'bob', now))).toBe('grant_holder');
    book.revoke({ holder: 'alice', untilMs: now + 1_000 });
    expect(codeOf(() => book.open(digest, 'alice', now))).toBe('grant_revoked');
  });

  test('is not another text that stands under it, nor one that is no grant', () => {
    const book = bookOf(corp, [alice, bob]);
    const other = signRaw(corp, claimsFor(bob));
    book.introduced.set(digest, { holder: 'bob', grant: other });
    expect(codeOf(() => book.open(digest, 'bob', now))).toBe('grant_unknown');
    expect(codeOf(() => book.carried(digest))).toBe('grant_unknown');
    book.introduced.set(linkDigest('x'), { holder: 'bob', grant: 'x' });
    expect(codeOf(() => book.open(linkDigest('x'), 'bob', now))).toBe('grant_unreadable');
    expect(isGrantDigest(digest)).toBe(true);
    expect([digest.slice(1), `${digest.slice(1)}.`, `${digest}A`].some(isGrantDigest)).toBe(false);
  });

  test('is counted for its holder until the mesh keeps it no more', () => {
    const known = new IntroducedGrants();
    known.set('a', { holder: 'alice', grant: '1' });
    known.set('a', { holder: 'alice', grant: '1' });
    known.set('b', { holder: 'alice', grant: '2' });
    expect([known.size, known.heldBy('alice'), known.heldBy('bob')]).toEqual([2, 2, 0]);
    known.set('a', undefined);
    known.set('a', undefined);
    known.set('b', undefined);
    expect([known.size, known.heldBy('alice')]).toEqual([0, 0]);
  });

  test('is all that a ticket carries of it, and the mac covers it', () => {
    const ring = { current: 'k1', keys: new Map([['k1', Buffer.alloc(32, 1)]]), epoch: '1' };
    const whole = { at: 0, ids: ['i'], holders: ['alice'], made: [1], can: ['>'], actions: ['read'], exp: 2 };
    const record = {
      agent: 'bob',
      chain: ['alice', 'bob/a.b'],
      grants: [whole, { ...whole, at: 1, digest }],
    } as unknown as DecisionRecord;
    const { text } = sealTicket(ring, record, 3);
    const ticket = openTicket(ring, text);
    expect(ticket).toMatchObject({ grants: [whole], introduced: [{ at: 1, digest }] });
    expect(carriesGrants({ ...ticket, grants: [] })).toBe(true);
    expect(codeOf(() => openTicket(ring, text.replace(digest, linkDigest('y'))))).toBe('ticket_invalid');
  });
});

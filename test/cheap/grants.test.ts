import { describe, expect, test } from 'vitest';
import { proveGrant } from '../../src/domain/grants/chain.js';
import type { Claims } from '../../src/domain/grants/claims.js';
import { actionOf, uncoveredBy } from '../../src/domain/grants/covers.js';
import { TwoGenerations } from '../../src/domain/grants/generations.js';
import { uncovered } from '../../src/domain/grants/patterns.js';
import { compilePolicy } from '../../src/domain/policy.js';
import { delegateGrant, issueGrant } from '../../src/domain/grants/sign.js';
import { publicKeyBytes } from '../../src/wire/nkey.js';
import { MeshError } from '../../src/wire/errors.js';
import { limits } from '../../src/wire/limits.js';
import { bookOf, claimsFor, member, signNext, signRaw } from '../support/grants.js';

const corp = member('corp');
const [alice, bob, carol, mallory] = ['alice', 'bob', 'carol', 'mallory'].map(member) as [M, M, M, M];
type M = ReturnType<typeof member>;
const issuerOf = (kid: string) => (kid === corp.publicKey ? 'corp' : undefined);
const NOW = Math.floor(Date.now() / 1_000);

/** `code link dimension` of what it throws. */
function said(act: () => unknown): string {
  try {
    act();
    return 'good';
  } catch (err) {
    return err instanceof MeshError
      ? `${err.code} ${String(err.details['link'])} ${String(err.details['dimension'])}`
      : String(err);
  }
}

const root = (more: Partial<Claims> = {}) => signRaw(corp, claimsFor(alice, more));
const below = (text: string, from: M, to: M, more: Partial<Claims> = {}) =>
  signNext(from, text, claimsFor(to, { iss: from.name, depth: 2, ...more }));
const prove = (text: string) => said(() => proveGrant(text, issuerOf));

describe('a grant', () => {
  test('of three links is proven, and its links are told', () => {
    const text = below(below(root(), alice, bob), bob, carol, { depth: 1, can: ['stock.read'] });
    expect(proveGrant(text, issuerOf).map(({ claims }) => claims.delegatee)).toEqual([
      'alice',
      'bob',
      'carol',
    ]);
  });

  test.each<[string, Partial<Claims>, Partial<Claims>]>([
    ['principal', {}, { sub: 'mallory' }],
    ['capabilities', {}, { can: ['stock.read', 'pay.>'] }],
    ['capabilities', { can: ['stock.*'] }, { can: ['stock.>'] }],
    ['actions', {}, { actions: ['read', 'write'] }],
    ['arguments', { args: [{ at: '/n', max: 5 }] }, {}],
    ['arguments', { args: [{ at: '/n', max: 5 }] }, { args: [{ at: '/n', max: 6 }] }],
    ['arguments', { args: [{ at: '/n', oneOf: [1, 2] }] }, { args: [{ at: '/n', min: 1, max: 2 }] }],
    ['arguments', { args: [{ at: '/n', prefix: 'ab' }] }, { args: [{ at: '/n', prefix: 'a' }] }],
    ['labels', { labels: { team: ['a'] } }, {}],
    ['labels', { labels: { team: ['a'] } }, { labels: { team: ['a', 'b'] } }],
    ['budget', { budget: { usd: 5 } }, { budget: { usd: 6 } }],
    ['budget', { budget: { usd: 5 } }, { budget: { tokens: 1 } }],
    ['deadline', { deadline: NOW * 1_000 }, {}],
    ['expiry', { exp: NOW + 3_600 }, { exp: NOW + 3_601 }],
    ['start', { nbf: NOW }, {}],
    ['depth', {}, { depth: 3 }],
    ['root', { root: false }, { root: true }],
  ])('widened in %s, validly signed, is refused with link and dimension', (dimension, first, second) => {
    const honest = below(root(), alice, bob);
    expect(prove(honest)).toBe('good');
    expect(prove(below(root(first), alice, bob, second))).toBe(`grant_widened 2 ${dimension}`);
  });

  test('out of order, cut, spliced or in a circle is refused', () => {
    const one = root();
    const two = below(one, alice, bob);
    const [a, b, c] = below(two, bob, carol, { depth: 1 }).split('~');
    expect(prove([a, c, b].join('~'))).toBe('grant_broken 2 parent');
    expect(prove([b, c].join('~'))).toBe('grant_broken 1 parent');
    expect(prove([root(), b].join('~'))).toBe('grant_broken 2 parent');
    expect(prove([a, root()].join('~'))).toBe('grant_broken 2 parent');
    expect(prove(below(two, bob, alice, { depth: 1 }))).toBe('grant_broken 3 delegatee');
    expect(prove(below(one, alice, alice))).toBe('grant_broken 2 delegatee');
    const [first] = proveGrant(one, issuerOf);
    expect(prove(below(one, alice, bob, { jti: first?.claims.jti ?? '' }))).toBe('grant_broken 2 id');
  });

  test('signed by somebody else is refused', () => {
    expect(prove(signRaw(mallory, claimsFor(alice)))).toBe('grant_unproven 1 key');
    expect(prove(signRaw(corp, claimsFor(alice, { iss: 'mesh' })))).toBe('grant_unproven 1 issuer');
    expect(prove(signRaw(mallory, claimsFor(alice), { kid: corp.publicKey }))).toBe(
      'grant_unproven 1 signature',
    );
    expect(prove(signNext(mallory, root(), claimsFor(bob, { iss: 'alice', depth: 2 })))).toBe(
      'grant_unproven 2 key',
    );
    expect(prove(below(root(), alice, bob, { iss: 'corp' }))).toBe('grant_unproven 2 issuer');
  });

  test.each([
    ['none', { alg: 'none' }, 'grant_unproven 1 algorithm'],
    ['another curve', { alg: 'ES256' }, 'grant_unproven 1 algorithm'],
    ['a secret', { alg: 'HS256' }, 'grant_unproven 1 algorithm'],
    ['a key of its own', { jwk: { kty: 'OKP' } }, 'grant_unreadable 1 form'],
    ['a critical word', { crit: ['exp'] }, 'grant_unreadable 1 form'],
    ['no key', { kid: undefined }, 'grant_unreadable 1 key'],
    ['a path as key', { kid: '../../key' }, 'grant_unproven 1 key'],
    ['a type of another token', { typ: 'JWT' }, 'grant_broken 1 parent'],
  ])('whose header names %s is refused', (_, head, want) => {
    expect(prove(signRaw(corp, claimsFor(alice), head))).toBe(want);
  });

  test.each<[string, Record<string, unknown>, string]>([
    ['a word that nobody knows', { admin: true }, 'form'],
    ['no id', { jti: undefined }, 'id'],
    ['a name with a dot', { delegatee: 'a.b' }, 'delegatee'],
    ['a key that is none', { cnf: { kid: 'UAAA' } }, 'key'],
    ['two ways of binding', { cnf: { kid: alice.publicKey, jwk: {} } }, 'key'],
    ['an end before its start', { exp: 5 }, 'expiry'],
    ['a life of a year', { exp: NOW + 31_536_000 }, 'expiry'],
    ['a start that is a text', { nbf: 'now' }, 'start'],
    ['no pattern', { can: [] }, 'capabilities'],
    ['a pattern with > inside', { can: ['a.>.b'] }, 'capabilities'],
    ['an action twice', { actions: ['read', 'read'] }, 'actions'],
    ['a strange action', { actions: ['admin'] }, 'actions'],
    ['a constraint without rule', { args: [{ at: '/n' }] }, 'arguments'],
    ['a constraint with two rules', { args: [{ at: '/n', equals: 1, prefix: 'a' }] }, 'arguments'],
    ['a rule that nobody knows', { args: [{ at: '/n', regex: '.*' }] }, 'arguments'],
    [
      'two constraints on one place',
      {
        args: [
          { at: '/n', min: 1 },
          { at: '/n', max: 2 },
        ],
      },
      'arguments',
    ],
    ['an empty range', { args: [{ at: '/n', min: 2, max: 1 }] }, 'arguments'],
    ['a pointer that is none', { args: [{ at: 'n', equals: 1 }] }, 'arguments'],
    ['a broken amount', { budget: { usd: 0.5 } }, 'budget'],
    ['a negative amount', { budget: { usd: -1 } }, 'budget'],
    ['a label that is no list', { labels: { team: 'a' } }, 'labels'],
    ['a depth beyond the links', { depth: limits.grantLinks }, 'depth'],
    ['a root that is a number', { root: 1 }, 'root'],
  ])('with %s cannot be read', (_, more, dimension) => {
    expect(prove(root(more as Partial<Claims>))).toBe(`grant_unreadable 1 ${dimension}`);
  });

  test('that is too large is refused before anything else of it is looked at', () => {
    const many = Array.from({ length: limits.grantPatterns + 1 }, (_, i) => `a.${i}`);
    expect(prove('x'.repeat(limits.grantBytes + 1))).toBe('grant_too_large 0 length');
    expect(prove(`${'x'.repeat(limits.grantTokenBytes + 1)}`)).toBe('grant_too_large 1 length');
    expect(
      prove(
        Array(limits.grantLinks + 1)
          .fill('x')
          .join('~'),
      ),
    ).toBe('grant_too_large 9 links');
    expect(prove(root({ can: many }))).toBe('grant_too_large 1 capabilities');
    for (const junk of ['', '~', 'a.b', 'a.b.c.d', '....', '{}', 'é.é.é', '\0', `${root()} `]) {
      expect(prove(junk)).toMatch(/^grant_(unreadable|unproven) \d/);
    }
  });
});

describe('the book', () => {
  const book = bookOf(corp, [alice, bob, carol]);
  const open = (text: string, who: string, nowMs = Date.now()) => said(() => book.open(text, who, nowMs));
  const grant = below(root(), alice, bob);

  test('opens a grant for its holder alone', () => {
    expect(open(grant, 'bob')).toBe('good');
    expect(open(grant, 'alice')).toBe('grant_holder 2 delegatee');
    expect(open(root(), 'alice')).toBe('good');
    expect(open(below(root(), alice, mallory), 'mallory')).toBe('grant_holder 2 key');
  });

  test('by the time of each link', () => {
    const late = below(root({ exp: NOW + 100 }), alice, bob, { exp: NOW + 100 });
    expect(open(late, 'bob', (NOW + 99) * 1_000)).toBe('good');
    expect(open(late, 'bob', (NOW + 100) * 1_000)).toBe('grant_expired 1 expiry');
    expect(open(below(root(), alice, bob, { exp: NOW + 50 }), 'bob', (NOW + 60) * 1_000)).toBe(
      'grant_expired 2 expiry',
    );
    expect(open(root({ deadline: NOW * 1_000 }), 'alice')).toBe('grant_expired 1 deadline');
    expect(open(root({ nbf: NOW + 60 }), 'alice')).toBe('grant_early 1 start');
    expect(open(root({ iat: NOW + 600 }), 'alice')).toBe('grant_early 1 issue');
  });

  test('what is known of keys counts now, also for a grant that was proven before', () => {
    const own = bookOf(corp, [alice, bob]);
    const now = Date.now();
    own.open(grant, 'bob', now);
    own.setHolder('alice', mallory.publicKey);
    expect(said(() => own.open(grant, 'bob', now))).toBe('grant_holder 1 key');
    own.setHolder('alice', alice.publicKey);
    expect(said(() => own.open(grant, 'bob', now))).toBe('good');
    own.setHolder('bob', undefined);
    expect(said(() => own.open(grant, 'bob', now))).toBe('grant_holder 2 key');
  });

  test('what is revoked falls, and all that was made from it', () => {
    const now = Date.now();
    for (const link of [0, 1]) {
      const own = bookOf(corp, [alice, bob]);
      const { carried } = own.open(grant, 'bob', now);
      expect(own.revoked([carried])).toBeUndefined();
      own.revoke({ id: carried.ids[link] as string, atMs: now });
      expect(said(() => own.open(grant, 'bob', now))).toBe(`grant_revoked ${link + 1} revocation`);
      expect(own.revoked([carried])?.details['link']).toBe(link + 1);
    }
    const own = bookOf(corp, [alice, bob]);
    const { carried } = own.open(grant, 'bob', now);
    own.revoke({ holder: 'alice', untilMs: now });
    expect(said(() => own.open(grant, 'bob', now))).toBe('grant_revoked 1 revocation');
    expect(own.revoked([carried])).toMatchObject({ code: 'grant_revoked' });
    const later = root({ iat: NOW + 2 });
    expect(said(() => own.open(later, 'alice', now))).toBe('good'); // a new one for the same holder
  });

  test('an issuer that the policy lists no more issues no more', () => {
    let issuers = new Map([['corp', corp.publicKey]]);
    const own = bookOf(corp, [alice]);
    expect(said(() => own.open(root(), 'alice', Date.now()))).toBe('good');
    const changing = bookOf(corp, []);
    expect(said(() => changing.open(root(), 'alice', Date.now()))).toBe('grant_holder 1 key');
    issuers = new Map();
    const text = root();
    const listed = new (own.constructor as new (i: () => ReadonlyMap<string, string>) => typeof own)(
      () => issuers,
    );
    listed.setHolder('alice', alice.publicKey);
    expect(said(() => listed.open(text, 'alice', Date.now()))).toBe('grant_unproven 1 key');
    issuers = new Map([['corp', corp.publicKey]]);
    expect(said(() => listed.open(text, 'alice', Date.now()))).toBe('good');
    issuers = new Map();
    expect(said(() => listed.open(text, 'alice', Date.now()))).toBe('grant_unproven 1 key');
  });

  test('a policy lists issuers by name and key', () => {
    const compiled = (issuers: object) => compilePolicy(JSON.stringify({ version: 1, issuers }), 'p.yaml');
    const why = (issuers: object): string => {
      try {
        return String([...compiled(issuers).issuers.keys()]);
      } catch (err) {
        return err instanceof MeshError ? `${err.code} ${String(err.details['where'])}` : String(err);
      }
    };
    const flipped =
      corp.publicKey.slice(0, 9) + (corp.publicKey[9] === 'A' ? 'B' : 'A') + corp.publicKey.slice(10);
    expect(why({ corp: corp.publicKey, other: bob.publicKey })).toBe('corp,other');
    expect(why({ corp: 'UAAA' })).toContain('config_invalid issuers.corp');
    expect(why({ corp: flipped })).toContain('config_invalid issuers.corp');
    expect(why({ mesh: corp.publicKey })).toContain('config_invalid issuers.mesh');
    expect(why({ corp: corp.publicKey, again: corp.publicKey })).toContain('config_invalid issuers.again');
    expect(why([])).toContain('config_invalid');
  });

  test('remembers within its bound', () => {
    const kept = new TwoGenerations<number, number>(10);
    for (let i = 0; i < 1_000; i++) {
      kept.set(i, i);
      expect(kept.get(0) ?? 0).toBe(0);
      expect(kept.get(i)).toBe(i);
    }
    expect(kept.get(0)).toBe(0); // used all the time, so never forgotten
    expect(kept.get(1)).toBeUndefined();
    expect(kept.size).toBeLessThanOrEqual(20);
  });
});

describe('what a grant covers', () => {
  const call = { capability: 'stock.read', action: 'read' as const, value: { json: {} }, labels: undefined };
  const grant = { can: ['stock.>'], actions: ['read'] };

  test('capability, action, arguments and labels, in this order', () => {
    const with_ = (more: object, of: object = {}) =>
      uncoveredBy({ ...grant, ...more }, { ...call, ...of })?.dimension;
    expect(with_({})).toBeUndefined();
    expect(with_({}, { capability: 'pay.bill' })).toBe('capabilities');
    expect(with_({}, { action: 'execute' })).toBe('actions');
    expect(with_({ args: [{ at: '/n', max: 5 }] })).toBe('arguments');
    expect(with_({ args: [{ at: '/n', max: 5 }] }, { value: { json: { n: 5 } } })).toBeUndefined();
    expect(with_({ args: [{ at: '/n', max: 5 }] }, { value: { json: { n: '5' } } })).toBe('arguments');
    expect(
      with_({ args: [{ at: '/a/0', prefix: 'x' }] }, { value: { json: { a: ['xy'] } } }),
    ).toBeUndefined();
    expect(with_({ args: [{ at: '/toString', prefix: '' }] })).toBe('arguments');
    expect(with_({ args: [{ at: '/a~1b', equals: 1 }] }, { value: { json: { 'a/b': 1 } } })).toBeUndefined();
    expect(with_({ args: [{ at: '', equals: 1 }] }, { value: undefined })).toBe('arguments');
    expect(with_({ labels: { team: ['a'] } })).toBe('labels');
    expect(with_({ labels: { team: ['a'] } }, { labels: { team: 'b' } })).toBe('labels');
    expect(with_({ labels: { team: ['a'] } }, { labels: { team: 'a' } })).toBeUndefined();
  });

  test('what a capability does is what all its cards say', () => {
    const entry = (idempotent: boolean, ...readOnly: boolean[]) =>
      actionOf({
        idempotent,
        offers: new Map(readOnly.map((r, i) => [String(i), { readOnly: r }])) as never,
      });
    expect(entry(true, true, true)).toBe('read');
    expect(entry(true, true, false)).toBe('write');
    expect(entry(false, false)).toBe('execute');
  });

  test('patterns together may cover what none does alone', () => {
    expect(uncovered(['a.>'], ['a.*', 'a.*.>'])).toBeUndefined();
    expect(uncovered(['a.>'], ['a.*', 'a.b.>'])).toBe('a.>');
    expect(uncovered(['*.b'], ['a.b', '>'])).toBeUndefined();
    expect(uncovered(['a'], ['a.>'])).toBe('a');
  });
});

describe('making one', () => {
  const terms = { exp: NOW + 600, can: ['stock.>'], actions: ['read' as const], depth: 2, root: true };

  test('issue and delegate make what is proven, and delegate refuses to widen', async () => {
    const who = { issuer: 'corp', principal: 'alice', holder: alice };
    const { text } = await issueGrant(corp, who, terms);
    const next = await delegateGrant(alice, text, bob, { can: ['stock.read'] });
    expect(prove(next.text)).toBe('good');
    expect(next.claims).toMatchObject({ sub: 'alice', depth: 1, root: false, exp: terms.exp });
    const code = (work: Promise<unknown>) =>
      work.then(
        () => 'good',
        (err: MeshError) => `${err.code} ${String(err.details['link'])} ${String(err.details['dimension'])}`,
      );
    expect(await code(delegateGrant(alice, text, bob, { can: ['>'] }))).toBe('grant_widened 2 capabilities');
    expect(await code(delegateGrant(mallory, text, bob, {}))).toBe('grant_unproven 2 key');
    const last = await delegateGrant(alice, text, bob, { depth: 0 });
    expect(await code(delegateGrant(bob, last.text, carol, {}))).toBe('grant_widened 3 depth');
    expect(await code(issueGrant(corp, who, { ...terms, can: ['a b'] }))).toBe(
      'grant_unreadable 1 capabilities',
    );
  });

  test('a key has one text', () => {
    expect(publicKeyBytes(alice.publicKey)).toHaveLength(32);
    expect(publicKeyBytes(`S${alice.publicKey.slice(1)}`)).toBeUndefined();
    expect(
      publicKeyBytes(`${alice.publicKey.slice(0, -1)}${alice.publicKey.endsWith('A') ? 'B' : 'A'}`),
    ).toBeUndefined();
  });
});

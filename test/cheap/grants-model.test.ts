/**
 * Random grants against the slow model, and random damage. GRANT_CHAINS and GRANT_MUTANTS say how many; `npm run
 * test:grants` runs ten thousand and a hundred thousand.
 */
import { createHmac, randomInt } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { proveGrant } from '../../src/domain/grants/chain.js';
import { dimensions, type Dimension } from '../../src/domain/grants/narrowing.js';
import { MeshError } from '../../src/wire/errors.js';
import { modelVerdict } from '../support/grant-model.js';
import { Dice, randomGrant, tapes } from '../support/grant-chains.js';
import { bookOf, member, signRaw } from '../support/grants.js';

const CHAINS = Number(process.env['GRANT_CHAINS'] ?? 400);
const MUTANTS = Number(process.env['GRANT_MUTANTS'] ?? 4_000);
const seed = Number(process.env['GRANT_SEED'] ?? randomInt(2 ** 31));
const LONG = 600_000;

const issuer = member('corp');
const members = ['p', 'q', 'r', 's'].map(member);
const issuers = { corp: issuer.publicKey };
const issuerOf = (kid: string) => (kid === issuer.publicKey ? 'corp' : undefined);

function verdict(text: string, checks?: readonly Dimension[]): 'good' | number {
  try {
    proveGrant(text, issuerOf, checks);
    return 'good';
  } catch (err) {
    return err instanceof MeshError ? Number(err.details['link']) : Number.NaN;
  }
}

describe(`random grants (GRANT_SEED=${seed})`, () => {
  test(`${CHAINS} chains: the mesh and the model say the same of each`, { timeout: LONG }, async () => {
    const seen = { good: 0, refused: 0, redone: 0 };
    await fc.assert(
      fc.asyncProperty(tapes, async (tape) => {
        const { text, widened } = randomGrant(new Dice(tape), issuer, members);
        const want = await modelVerdict(text, issuers);
        seen[want === 'good' ? 'good' : 'refused']++;
        seen.redone += widened === undefined ? 0 : 1;
        expect(verdict(text)).toBe(want);
      }),
      { numRuns: CHAINS, seed },
    );
    console.log(`${CHAINS} chains, seed ${seed}: ${JSON.stringify(seen)}, 0 differences`);
    expect(Math.min(seen.good, seen.refused)).toBeGreaterThan(CHAINS / 8); // both are tried
  });

  test.each(dimensions.map(({ name }) => name))('a mesh that forgets %s is found out', async (name) => {
    const checks = dimensions.filter((dimension) => dimension.name !== name);
    const differs = async (tape: readonly number[]) => {
      const { text } = randomGrant(new Dice(tape), issuer, members);
      return verdict(text, checks) !== (await modelVerdict(text, issuers));
    };
    const tried = fc.sample(tapes, { numRuns: 2_000, seed });
    for (const tape of tried) {
      if (await differs(tape)) {
        return;
      }
    }
    expect.fail('2000 chains saw no difference');
  });

  test(`${MUTANTS} damaged grants: none is accepted`, { timeout: LONG }, () => {
    const book = bookOf(issuer, members);
    const good = fc
      .sample(tapes, { numRuns: 400, seed })
      .map((tape) => randomGrant(new Dice(tape), issuer, members))
      .filter(({ text }) => verdict(text) === 'good');
    const now = Date.now();
    const genuine = new Set(
      good.flatMap(({ text }) => text.split('~').map((_, i, all) => all.slice(0, i + 1).join('~'))),
    );
    const accepted: string[] = [];
    const codes = new Map<string, number>();
    good.forEach(({ text, holder }) =>
      expect(book.open(text, holder.name, now).last.delegatee).toBe(holder.name),
    );
    for (const tape of fc.sample(tapes, { numRuns: MUTANTS, seed })) {
      const dice = new Dice(tape);
      const { text, holder } = dice.of(good);
      const [name, damaged] = damage(dice, text, dice.of(good).text);
      if (genuine.has(damaged)) {
        continue; // what was put together is another genuine one, or the beginning of one
      }
      const code = refusalOf(() => book.open(damaged, holder.name, now));
      codes.set(code, (codes.get(code) ?? 0) + 1);
      if (!code.startsWith('grant_')) {
        accepted.push(`${code} ${name}: ${damaged}`);
      }
    }
    console.log(`${MUTANTS} damaged, seed ${seed}: ${accepted.length} accepted`, Object.fromEntries(codes));
    expect(accepted.slice(0, 1)).toEqual([]);
    expect([...codes.values()].reduce((a, b) => a + b, 0)).toBeGreaterThan(MUTANTS * 0.9);
  });
});

/** The code of a refusal that names link and dimension; else what happened. */
function refusalOf(act: () => unknown): string {
  try {
    act();
    return 'accepted';
  } catch (err) {
    if (!(err instanceof MeshError)) {
      return String(err);
    }
    const { link, dimension } = err.details;
    const names = typeof link === 'number' && typeof dimension === 'string';
    // Cut to 43 characters it reads as a digest, which has no links.
    return names || err.code === 'grant_unknown' ? err.code : String(err);
  }
}

type Damage = (dice: Dice, text: string, other: string) => string;
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~ =+/';

/** Every way in which we thought of spoiling one. */
const damages: Readonly<Record<string, Damage>> = {
  changed: (dice, text) =>
    at(dice, text, (i) => text.slice(0, i) + dice.of([...ALPHABET]) + text.slice(i + 1)),
  removed: (dice, text) => at(dice, text, (i) => text.slice(0, i) + text.slice(i + 1 + dice.below(20))),
  inserted: (dice, text) => at(dice, text, (i) => text.slice(0, i) + dice.of([...ALPHABET]) + text.slice(i)),
  cut: (dice, text) => at(dice, text, (i) => text.slice(0, i)),
  lastBits: (dice, text) => text.slice(0, -1) + dice.of([...ALPHABET.slice(0, 64)]),
  swapped: (dice, text) => links(text, (all) => swap(all, dice.below(all.length), dice.below(all.length))),
  dropped: (dice, text) => links(text, (all) => all.toSpliced(dice.below(all.length), 1)),
  doubled: (dice, text) => links(text, (all) => [...all, dice.of(all)]),
  spliced: (dice, text, other) =>
    links(text, (all) => all.with(dice.below(all.length), dice.of(other.split('~')))),
  appended: (_, text, other) => `${text}~${other}`,
  grafted: (dice, text, other) => links(text, (all) => [...all.slice(0, -1), dice.of(other.split('~'))]),
  claims: (dice, text) =>
    part(dice, text, 1, (claims) => ({
      ...claims,
      can: ['>'],
      exp: 9_999_999_999,
      depth: 7 - dice.below(3),
    })),
  cnf: (dice, text) =>
    part(dice, text, 1, (claims) => ({ ...claims, cnf: { kid: dice.of(members).publicKey } })),
  algorithm: (dice, text) =>
    part(dice, text, 0, (head) => ({
      ...head,
      alg: dice.of(['none', 'None', 'HS256', 'ES256', 'Ed25519', '']),
    })),
  none: (dice, text) =>
    links(
      part(dice, text, 0, (head) => ({ ...head, alg: 'none' })),
      (all) => all.map((link) => link.slice(0, link.lastIndexOf('.') + 1)),
    ),
  hmac: (dice, text) =>
    links(
      part(dice, text, 0, (head) => ({ ...head, alg: 'HS256' })),
      (all) => all.map(asHmac),
    ),
  key: (dice, text) => part(dice, text, 0, (head) => ({ ...head, kid: dice.of(members).publicKey })),
  embedded: (dice, text) => part(dice, text, 0, (head) => ({ ...head, jwk: { kty: 'OKP' }, kid: 'x' })),
  stranger: (dice, text) => links(text, (all) => all.with(dice.below(all.length), signRaw(member('x'), {}))),
};

function damage(dice: Dice, text: string, other: string): [name: string, damaged: string] {
  const name = dice.of(Object.keys(damages));
  return [name, (damages[name] as Damage)(dice, text, other)];
}

function at(dice: Dice, text: string, change: (i: number) => string): string {
  return change(dice.below(text.length));
}

function links(text: string, change: (all: string[]) => string[]): string {
  return change(text.split('~')).join('~');
}

function swap<T>(list: readonly T[], i: number, j: number): T[] {
  return list.with(i, list[j] as T).with(j, list[i] as T);
}

function part(
  dice: Dice,
  text: string,
  which: 0 | 1,
  change: (value: Record<string, unknown>) => object,
): string {
  return links(text, (all) => {
    const i = dice.below(all.length);
    const parts = (all[i] as string).split('.');
    const value = JSON.parse(Buffer.from(parts[which] as string, 'base64url').toString()) as Record<
      string,
      unknown
    >;
    return all.with(
      i,
      parts.with(which, Buffer.from(JSON.stringify(change(value))).toString('base64url')).join('.'),
    );
  });
}

/** The classic: the public key as the secret of an HMAC. */
function asHmac(link: string): string {
  const signed = link.slice(0, link.lastIndexOf('.'));
  return `${signed}.${createHmac('sha256', issuer.publicKey).update(signed).digest('base64url')}`;
}

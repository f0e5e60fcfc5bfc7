/**
 * Members, issuers and grants for tests: also grants that nobody honest would sign.
 */
import { sign } from 'node:crypto';
import { GrantBook } from '../../src/domain/grants/book.js';
import { linkDigest } from '../../src/domain/grants/chain.js';
import type { Claims } from '../../src/domain/grants/claims.js';
import type { Holder, Signer } from '../../src/domain/grants/sign.js';
import { createUserKey, privateKeyOf } from '../../src/fabric/keys.js';
import { newCallId } from '../../src/wire/ulid.js';

/** Somebody with a key. */
export interface Member extends Holder, Signer {
  readonly seed: string;
}

export function member(name: string): Member {
  const { seed, publicKey } = createUserKey();
  return { name, seed, publicKey, key: privateKeyOf(seed, name) };
}

/** One end for all links: one that is made a second after the link before it would end later, which is wider. */
const end = Math.floor(Date.now() / 1_000) + 3_600;

/** Everything that stands in a link, the good values; `more` makes of it what a test wants. */
export function claimsFor(holder: Holder, more: Partial<Claims> = {}): Claims {
  return {
    jti: newCallId(),
    iss: 'corp',
    sub: 'alice',
    delegatee: holder.name,
    cnf: { kid: holder.publicKey },
    iat: Math.floor(Date.now() / 1_000),
    exp: end,
    can: ['stock.>'],
    actions: ['read'],
    depth: 3,
    root: true,
    ...more,
  };
}

/** Sign any header and any payload, as an attacker with a key would. */
export function signRaw(signer: Signer, payload: unknown, head: Record<string, unknown> = {}): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const all = { alg: 'EdDSA', typ: 'mesh-grant+jwt', kid: signer.publicKey, ...head };
  const text = `${part(all)}.${part(payload)}`;
  return `${text}.${sign(null, Buffer.from(text), signer.key).toString('base64url')}`;
}

/** A link behind others, validly signed by `signer`, whatever it says. */
export function signNext(signer: Signer, before: string, claims: Claims): string {
  const last = before.slice(before.lastIndexOf('~') + 1);
  const payload = { prf: linkDigest(last), ...claims };
  return `${before}~${signRaw(signer, payload, { typ: 'mesh-delegation+jwt' })}`;
}

/** A book that knows these. */
export function bookOf(issuer: Member, holders: readonly Member[]): GrantBook {
  const issuers = new Map([[issuer.name, issuer.publicKey]]);
  const book = new GrantBook(() => issuers);
  holders.forEach(({ name, publicKey }) => book.setHolder(name, publicKey));
  return book;
}

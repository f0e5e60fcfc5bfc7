/**
 * Making links: a grant by an issuer, a delegation by whoever holds one. Whoever signs has the key in its hand; the
 * mesh never has anybody's.
 */
import type { KeyObject } from 'node:crypto';
import type { JWTPayload } from 'jose';
import { meshError } from '../../wire/errors.js';
import { newCallId } from '../../wire/ulid.js';
import { linkDigest, readGrant } from './chain.js';
import { readClaims, type Claims } from './claims.js';
import { dimensions } from './narrowing.js';
import { ALGORITHM, SEPARATOR, types } from './token.js';

/** Who signs: the private key, and its public half as an nkey. */
export interface Signer {
  readonly key: KeyObject;
  readonly publicKey: string;
}

/** Whom a link is made for: the name and the public nkey of a member. */
export interface Holder {
  readonly name: string;
  readonly publicKey: string;
}

/** What a link allows; what is missing is not limited. */
export type Terms = Pick<
  Claims,
  'nbf' | 'exp' | 'can' | 'actions' | 'args' | 'labels' | 'budget' | 'deadline' | 'depth' | 'root'
>;

/** A new link: the whole grant that ends with it, and its id. */
export interface Signed {
  readonly text: string;
  readonly claims: Claims;
}

/**
 * Make a grant. `issuer` is the name under which the mesh knows the key, `principal` on whose authority it stands.
 * Throws grant_unreadable and grant_too_large for terms that are none.
 */
export async function issueGrant(
  signer: Signer,
  who: { readonly issuer: string; readonly principal: string; readonly holder: Holder },
  terms: Terms,
): Promise<Signed> {
  const claims = claimsOf(who.issuer, who.principal, who.holder, terms);
  return { text: await sign(signer, types.grant, readClaims(claims, 1)), claims };
}

/**
 * Delegate a grant: the same or less for somebody else. What `terms` leave out is as in the last link, except `depth`
 * (one less) and `root` (false). Throws grant_widened naming the dimension, grant_unproven when the signer does not
 * hold it, grant_broken when nothing may follow, grant_unreadable, grant_too_large.
 */
export async function delegateGrant(
  signer: Signer,
  grant: string,
  holder: Holder,
  terms: Partial<Terms>,
): Promise<Signed> {
  const links = readGrant(grant);
  const last = links[links.length - 1];
  const link = links.length + 1;
  if (last === undefined || last.claims.cnf.kid !== signer.publicKey) {
    const why = `only ${last?.claims.delegatee ?? 'its holder'} can delegate it, with its own key`;
    throw meshError('grant_unproven', { link, dimension: 'key', why });
  }
  const before = last.claims;
  if (before.depth === 0) {
    const why = '-1 is below 0: no delegation may follow';
    throw meshError('grant_widened', { link, parent: link - 1, dimension: 'depth', why });
  }
  const { nbf, exp, can, actions, args, labels, budget, deadline } = before;
  const inherited = {
    nbf,
    exp,
    can,
    actions,
    args,
    labels,
    budget,
    deadline,
    depth: before.depth - 1,
    root: false,
  };
  const merged = { ...inherited, ...withoutMissing(terms) } as Terms;
  const claims = claimsOf(before.delegatee, before.sub, holder, merged, linkDigest(last.text));
  const read = readClaims(claims, link);
  for (const { name, wider } of dimensions) {
    const why = wider(read, before);
    if (why !== undefined) {
      throw meshError('grant_widened', { link, parent: link - 1, dimension: name, why });
    }
  }
  const text = `${grant}${SEPARATOR}${await sign(signer, types.delegation, read)}`;
  readGrant(text); // its bounds hold for the whole of it
  return { text, claims };
}

function claimsOf(iss: string, sub: string, holder: Holder, terms: Terms, prf?: string): Claims {
  const { nbf, exp, can, actions, args, labels, budget, deadline, depth, root } = terms;
  const iat = Math.floor(Date.now() / 1_000);
  const who = { jti: newCallId(), iss, sub, delegatee: holder.name, cnf: { kid: holder.publicKey } };
  const limited = withoutMissing({ nbf, args, labels, budget, deadline, prf });
  return { ...who, iat, exp, can, actions, depth, root, ...limited } as Claims;
}

async function sign({ key, publicKey }: Signer, typ: string, claims: Claims): Promise<string> {
  const { SignJWT } = await import('jose'); // most who connect never sign, and start sooner without it
  return await new SignJWT(claims as unknown as JWTPayload)
    .setProtectedHeader({ alg: ALGORITHM, typ, kid: publicKey })
    .sign(key);
}

function withoutMissing<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as Partial<T>;
}

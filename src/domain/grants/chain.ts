/**
 * A grant with its delegations: whether it was really made, link by link, and only narrowed. What changes from call to
 * call (time, who presents it, what was revoked) is not judged here.
 */
import { createHash } from 'node:crypto';
import { meshError } from '../../wire/errors.js';
import { limits } from '../../wire/limits.js';
import type { Claims } from './claims.js';
import { dimensions, type Dimension } from './narrowing.js';
import { isSigned, readLink, SEPARATOR, types, type Link } from './token.js';

/** The name of the issuer whose key this is; undefined: nobody's. */
export type IssuerOf = (kid: string) => string | undefined;

/** Read the links of a grant; nothing of it is proven. Throws grant_unreadable, grant_too_large, grant_unproven. */
export function readGrant(text: string): Link[] {
  if (text.length > limits.grantBytes) {
    const have = text.length;
    throw meshError('grant_too_large', { link: 0, dimension: 'length', have, max: limits.grantBytes });
  }
  const parts = text.split(SEPARATOR);
  if (parts.length > limits.grantLinks) {
    const have = parts.length;
    throw meshError('grant_too_large', { link: have, dimension: 'links', have, max: limits.grantLinks });
  }
  return parts.map((part, i) => readLink(part, i + 1));
}

/**
 * Prove a grant: the first link by an issuer, each further one by the holder of the one before, none wider in any
 * dimension. Returns its links. Signatures come last, because they cost the most.
 * Throws grant_unreadable, grant_too_large, grant_unproven, grant_broken, grant_widened; each names link and dimension.
 */
export function proveGrant(
  text: string,
  issuerOf: IssuerOf,
  checks: readonly Dimension[] = dimensions,
): readonly Link[] {
  const links = readGrant(text);
  links.forEach((link, i) => {
    const before = links[i - 1];
    if (before === undefined) {
      checkFirst(link, issuerOf);
    } else {
      checkNext(link, before, i + 1);
      checkDistinct(links, i);
      checkNarrower(link.claims, before.claims, i + 1, checks);
    }
  });
  const forged = links.findIndex((link) => !isSigned(link));
  if (forged >= 0) {
    const why = 'its signature is not that of the key it names';
    throw meshError('grant_unproven', { link: forged + 1, dimension: 'signature', why });
  }
  return links;
}

/** SHA-256 of a link, as the next one names it. */
export function linkDigest(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}

function checkFirst({ kid, type, claims }: Link, issuerOf: IssuerOf): void {
  if (type !== types.grant || claims.prf !== undefined) {
    const why = 'it is a delegation without its grant';
    throw meshError('grant_broken', { link: 1, parent: 0, dimension: 'parent', why });
  }
  const issuer = issuerOf(kid);
  if (issuer === undefined) {
    const why = 'its key is not that of an issuer';
    throw meshError('grant_unproven', { link: 1, dimension: 'key', why });
  }
  if (issuer !== claims.iss) {
    const why = `the key is that of ${issuer}, not of ${claims.iss}`;
    throw meshError('grant_unproven', { link: 1, dimension: 'issuer', why });
  }
}

function checkNext({ kid, type, claims }: Link, before: Link, link: number): void {
  const parent = link - 1;
  if (type !== types.delegation) {
    const why = 'it is a grant of its own';
    throw meshError('grant_broken', { link, parent, dimension: 'parent', why });
  }
  if (claims.prf !== linkDigest(before.text)) {
    const why = 'it was made from another one';
    throw meshError('grant_broken', { link, parent, dimension: 'parent', why });
  }
  if (kid !== before.claims.cnf.kid) {
    const why = `its key is not that of ${before.claims.delegatee}, the holder of link ${parent}`;
    throw meshError('grant_unproven', { link, dimension: 'key', why });
  }
  if (claims.iss !== before.claims.delegatee) {
    const why = `it says ${claims.iss}, but the holder of link ${parent} is ${before.claims.delegatee}`;
    throw meshError('grant_unproven', { link, dimension: 'issuer', why });
  }
}

/** Nobody stands in it twice: a circle narrows nothing and hides who acts. */
function checkDistinct(links: readonly Link[], at: number): void {
  const { jti, delegatee, cnf } = (links[at] as Link).claims;
  links.slice(0, at).forEach(({ claims }, i) => {
    const facts = { link: at + 1, parent: i + 1 };
    if (claims.jti === jti) {
      throw meshError('grant_broken', { ...facts, dimension: 'id', why: 'both have the same id' });
    }
    if (claims.delegatee === delegatee || claims.cnf.kid === cnf.kid) {
      const why = `${delegatee} held it before: a circle`;
      throw meshError('grant_broken', { ...facts, dimension: 'delegatee', why });
    }
  });
}

function checkNarrower(claims: Claims, before: Claims, link: number, checks: readonly Dimension[]): void {
  for (const { name, wider } of checks) {
    const why = wider(claims, before);
    if (why !== undefined) {
      throw meshError('grant_widened', { link, parent: link - 1, dimension: name, why });
    }
  }
}

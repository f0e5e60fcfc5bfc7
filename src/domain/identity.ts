/**
 * Who a stranger is: `mesh.identity.yaml` says which issuers and certificates the mesh believes, and which name and
 * role their claims stand for.
 */
import type * as Yaml from 'yaml';
import { meshError } from '../wire/errors.js';
import { later } from '../wire/later.js';
import { limits } from '../wire/limits.js';
import { readCertificate, type CertificateRule } from './identity-certificates.js';
import { readClaims, type Claims } from './identity-claims.js';
import { Reader } from './identity-reader.js';

const yaml = later<typeof Yaml>('yaml');

/** Algorithms that can be allowed: all of them asymmetric, so that a public key is never a secret. */
export const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;

/** An issuer of tokens that the mesh believes. */
export interface Issuer extends Claims {
  readonly issuer: string;
  readonly audience: string;
  readonly algorithms: readonly string[];
  /** Where its keys are; found by discovery when missing. */
  readonly jwks: string | undefined;
  /** The `typ` its tokens must have, for example `at+jwt`. */
  readonly type: string | undefined;
}

/** What the file says. */
export interface IdentityRules {
  /** Longest life of a connection before it must prove itself again. */
  readonly sessionMs: number;
  readonly issuers: ReadonlyMap<string, Issuer>;
  readonly certificates: readonly CertificateRule[];
}

/** The rules of a mesh without the file: only registered keys are believed. */
export const noRules: IdentityRules = {
  sessionMs: limits.sessionMs,
  issuers: new Map(),
  certificates: [],
};

const SESSION_MIN_SECONDS = 2;

/** Read the file. Throws `config_invalid` with the place in it. */
export function readIdentityRules(text: string, file: string): IdentityRules {
  const top = Reader.of(parse(text, file), file, ['version', 'session', 'issuers', 'certificates']);
  if (top.value('version') !== 1) {
    top.refuse('/version', 'it must be 1');
  }
  const seconds =
    top.number('session', SESSION_MIN_SECONDS, limits.sessionMs / 1000) ?? limits.sessionMs / 1000;
  const issuers = top.list('issuers', limits.issuers).map(readIssuer);
  const certificates = top.list('certificates', limits.issuers).map(readCertificate);
  refuseOverlap(top, issuers);
  return {
    sessionMs: seconds * 1000,
    issuers: new Map(issuers.map((one) => [one.issuer, one])),
    certificates,
  };
}

function parse(text: string, file: string): unknown {
  try {
    return yaml().parse(text, { maxAliasCount: 0 });
  } catch (err) {
    const [why = ''] = String(err instanceof Error ? err.message : err).split('\n');
    throw meshError('config_invalid', { file, where: 'the YAML', why }, err);
  }
}

function readIssuer(one: Reader): Issuer {
  one.only(['issuer', 'audience', 'algorithms', 'jwks', 'type', 'name', 'role']);
  const issuer = url(one, 'issuer', one.text('issuer'));
  const jwks = one.value('jwks') === undefined ? undefined : url(one, 'jwks', one.text('jwks'));
  const algorithms =
    one.value('algorithms') === undefined ? ['RS256', 'ES256', 'EdDSA'] : one.texts('algorithms');
  const foreign = algorithms.find((name) => !(ALGORITHMS as readonly string[]).includes(name));
  if (foreign !== undefined || algorithms.length === 0) {
    one.refuse('/algorithms', `"${foreign ?? ''}" is none of ${ALGORITHMS.join(' ')}`);
  }
  const type = one.value('type') === undefined ? undefined : one.text('type');
  return { issuer, audience: one.text('audience'), algorithms, jwks, type, ...readClaims(one) };
}

/** Keys that come over a plain connection are anybody's; loopback is for tests and side-cars. */
function url(one: Reader, key: string, text: string): string {
  const parsed = URL.canParse(text) ? new URL(text) : undefined;
  const local = ['127.0.0.1', 'localhost', '[::1]'].includes(parsed?.hostname ?? '');
  if (parsed?.protocol !== 'https:' && !(parsed?.protocol === 'http:' && local)) {
    one.refuse(`/${key}`, 'it must be a https:// address');
  }
  return text;
}

/** Two issuers must not be able to give one name to two people. */
function refuseOverlap(top: Reader, issuers: readonly Issuer[]): void {
  issuers.forEach((one, i) => {
    const other = issuers.findIndex(
      (two, j) => j < i && (two.issuer === one.issuer || overlap(one.names, two.names)),
    );
    if (other >= 0) {
      top.refuse(
        `/issuers/${i}`,
        `it can give the same names as /issuers/${other}: give each a prefix of its own`,
      );
    }
  });
}

function overlap(a: Claims['names'], b: Claims['names']): boolean {
  if (a.map !== undefined || b.map !== undefined) {
    const [listed, other] = a.map === undefined ? [b, a] : [a, b];
    const names = [...(listed.map?.values() ?? [])];
    return names.some((name) =>
      other.map === undefined ? name.startsWith(other.prefix) : [...other.map.values()].includes(name),
    );
  }
  return a.prefix.startsWith(b.prefix) || b.prefix.startsWith(a.prefix);
}

/**
 * OAuth 2.0 access tokens as proof: signed by an issuer that is listed, with an algorithm that is listed for it, for
 * this audience, now.
 */
import { createHash } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, errors, jwtVerify, type JWTPayload } from 'jose';
import type { IdentityRules, Issuer } from '../../domain/identity.js';
import { identify } from '../../domain/identity-claims.js';
import type { Identified } from '../../wire/session-role.js';
import { rawPublic } from '../../fabric/keys.js';
import { MeshError, meshError } from '../../wire/errors.js';
import { limits } from '../../wire/limits.js';
import { IssuerKeys, type OnTrouble } from './issuer-keys.js';

/** Who a token stands for, and when it ends (epoch ms). */
export interface TokenProof extends Identified {
  readonly untilMs: number;
}

/** Verifies tokens under the rules of now. */
export class Tokens {
  readonly #onTrouble: OnTrouble;
  #rules: IdentityRules;
  #keys = new Map<Issuer, IssuerKeys>();

  constructor(rules: IdentityRules, onTrouble: OnTrouble) {
    this.#rules = rules;
    this.#onTrouble = onTrouble;
    this.replace(rules);
  }

  /** Take other rules. Keys of issuers that are the same stay. */
  replace(rules: IdentityRules): void {
    const old = new Map([...this.#keys].map(([issuer, keys]) => [sourceOf(issuer), keys]));
    this.#keys = new Map(
      [...rules.issuers.values()].map((issuer) => [
        issuer,
        old.get(sourceOf(issuer)) ?? new IssuerKeys(issuer, this.#onTrouble),
      ]),
    );
    this.#rules = rules;
  }

  /**
   * Verify a token. `boundTo` is the key that the connection has proven, if it has.
   * Throws token_* of the table of errors, and `revoked` nowhere: that is asked later.
   */
  async verify(token: string, boundTo: string | undefined): Promise<TokenProof> {
    if (token.length > limits.tokenBytes) {
      throw meshError('token_too_large', { bytes: token.length, maxBytes: limits.tokenBytes });
    }
    const issuer = this.#issuerOf(token);
    const payload = await this.#claimsOf(token, issuer);
    const untilMs = (payload.exp ?? 0) * 1000;
    if (untilMs <= Date.now()) {
      throw meshError('token_expired'); // clocks may differ, but a session that is over cannot begin
    }
    bound(payload, boundTo);
    return { ...identify(issuer, payload), untilMs };
  }

  #issuerOf(token: string): Issuer {
    let said: unknown;
    let algorithm: unknown;
    try {
      said = decodeJwt(token).iss;
      algorithm = decodeProtectedHeader(token).alg;
    } catch (err) {
      throw meshError('token_broken', { why: 'it is not a signed JWT' }, err);
    }
    const issuer = typeof said === 'string' ? this.#rules.issuers.get(said) : undefined;
    if (issuer === undefined) {
      throw meshError('token_issuer', { issuer: shown(said) });
    }
    if (typeof algorithm !== 'string' || !issuer.algorithms.includes(algorithm)) {
      throw meshError('token_algorithm', { algorithm: shown(algorithm) });
    }
    return issuer;
  }

  async #claimsOf(token: string, issuer: Issuer): Promise<JWTPayload> {
    const keys = this.#keys.get(issuer);
    if (keys === undefined) {
      throw meshError('internal', { where: 'Tokens.verify' });
    }
    try {
      const { payload } = await jwtVerify(token, keys.find, {
        issuer: issuer.issuer,
        audience: issuer.audience,
        algorithms: [...issuer.algorithms],
        clockTolerance: limits.tokenClockSkewMs / 1000,
        requiredClaims: ['exp', 'iss', 'aud'],
        ...(issuer.type === undefined ? {} : { typ: issuer.type }),
      });
      return payload;
    } catch (err) {
      throw err instanceof MeshError ? err : refusal(err);
    }
  }
}

/** Where keys come from: an issuer that changes in nothing else keeps its keys. */
function sourceOf({ issuer, jwks }: Issuer): string {
  return `${issuer} ${jwks ?? ''}`;
}

/** A token may name the key of its only user (RFC 7800, by thumbprint): then a stolen one is of no use. */
function bound(payload: JWTPayload, key: string | undefined): void {
  const { cnf } = payload;
  if (cnf === undefined) {
    return;
  }
  const wanted = (cnf as { jkt?: unknown }).jkt;
  const raw = key === undefined ? undefined : rawPublic(key);
  if (raw === undefined || wanted !== thumbprint(raw)) {
    throw meshError('token_unbound');
  }
}

/** RFC 7638, of an Ed25519 key. */
function thumbprint(raw: Uint8Array): string {
  const jwk = `{"crv":"Ed25519","kty":"OKP","x":"${Buffer.from(raw).toString('base64url')}"}`;
  return createHash('sha256').update(jwk).digest('base64url');
}

function refusal(err: unknown): MeshError {
  if (err instanceof errors.JWTExpired) {
    return meshError('token_expired', {}, err);
  }
  if (
    err instanceof errors.JWTClaimValidationFailed &&
    err.claim === 'nbf' &&
    err.reason === 'check_failed'
  ) {
    return meshError('token_early', {}, err);
  }
  if (err instanceof errors.JWTClaimValidationFailed && err.claim === 'aud') {
    return meshError('token_audience', { audience: shown(err.payload.aud) }, err);
  }
  if (err instanceof errors.JWSSignatureVerificationFailed) {
    return meshError('token_broken', { why: 'its signature is not of the key it names' }, err);
  }
  if (err instanceof errors.JOSEError) {
    return meshError('token_broken', { why: err.message }, err);
  }
  return meshError('token_broken', { why: 'its key or its claims are of no use' }, err);
}

const SHOWN = 128;

function shown(value: unknown): string {
  return value === undefined ? 'none' : (JSON.stringify(value) ?? '').slice(0, SHOWN);
}

/**
 * One link of a grant as it is written: a compact JWS (RFC 7515) in the one form that counts. The algorithm is fixed,
 * the header has three words, base64url has one spelling. Nothing in a token says how it is to be verified.
 */
import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import { meshError } from '../../wire/errors.js';
import { decodeJson } from '../../wire/json.js';
import { limits } from '../../wire/limits.js';
import { publicKeyBytes } from '../../wire/nkey.js';
import { readClaims, type Claims } from './claims.js';

/** The one algorithm: Ed25519. */
export const ALGORITHM = 'EdDSA';
/** The first link, and all that follow. */
export const types = { grant: 'mesh-grant+jwt', delegation: 'mesh-delegation+jwt' } as const;
/** Between the links of a grant. */
export const SEPARATOR = '~';

/** A link that was read; its signature is not verified yet. */
export interface Link {
  readonly text: string;
  /** The key that is said to have signed it. */
  readonly kid: string;
  readonly type: string;
  readonly claims: Claims;
}

const BASE64URL = /^[A-Za-z0-9_-]+$/;
const SIGNATURE_BYTES = 64;

/** Read one link, counted from 1. Throws grant_unreadable, grant_unproven (algorithm), grant_too_large. */
export function readLink(text: string, link: number): Link {
  if (text.length > limits.grantTokenBytes) {
    throw meshError('grant_too_large', {
      link,
      dimension: 'length',
      have: text.length,
      max: limits.grantTokenBytes,
    });
  }
  const parts = text.split('.');
  const [head, payload, signature] = parts;
  if (parts.length !== 3 || head === undefined || payload === undefined || signature === undefined) {
    throw meshError('grant_unreadable', { link, dimension: 'form', why: 'it is not a compact JWS' });
  }
  const { kid, type } = readHead(json(head, 'header', link), link);
  if (bytesOf(signature, 'signature', link).length !== SIGNATURE_BYTES) {
    throw meshError('grant_unproven', { link, dimension: 'signature', why: 'it is not one of Ed25519' });
  }
  return { text, kid, type, claims: readClaims(json(payload, 'claims', link), link) };
}

function readHead(value: unknown, link: number): { kid: string; type: string } {
  const head = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  const { alg, kid, typ, ...more } = head;
  if (alg !== ALGORITHM) {
    const why = `the algorithm must be ${ALGORITHM}, not ${String(JSON.stringify(alg)).slice(0, 40)}`;
    throw meshError('grant_unproven', { link, dimension: 'algorithm', why });
  }
  const strange = Object.keys(more)[0];
  if (strange !== undefined) {
    const why = `its header may not have ${JSON.stringify(strange.slice(0, 40))}`;
    throw meshError('grant_unreadable', { link, dimension: 'form', why });
  }
  if (typeof kid !== 'string' || typeof typ !== 'string') {
    throw meshError('grant_unreadable', { link, dimension: 'key', why: 'its header names no key or type' });
  }
  return { kid, type: typ };
}

function json(part: string, what: string, link: number): unknown {
  const bytes = bytesOf(part, what, link);
  try {
    return decodeJson(bytes);
  } catch {
    throw meshError('grant_unreadable', { link, dimension: 'form', why: `its ${what} is not JSON` });
  }
}

/** Base64url with one spelling: what decodes to the same bytes but reads differently is refused. */
function bytesOf(part: string, what: string, link: number): Buffer {
  const bytes = BASE64URL.test(part) ? Buffer.from(part, 'base64url') : undefined;
  if (bytes === undefined || bytes.toString('base64url') !== part) {
    throw meshError('grant_unreadable', { link, dimension: 'form', why: `its ${what} is not base64url` });
  }
  return bytes;
}

/** Did the key sign the link? Takes about 0.1 ms. */
export function isSigned({ text, kid }: Link): boolean {
  const cut = text.lastIndexOf('.');
  const key = keyOf(kid);
  return (
    key !== undefined &&
    verify(null, Buffer.from(text.slice(0, cut)), key, Buffer.from(text.slice(cut + 1), 'base64url'))
  );
}

const keys = new Map<string, KeyObject>();

/** Importing a key costs a third of a verification. */
function keyOf(kid: string): KeyObject | undefined {
  let key = keys.get(kid);
  const raw = key === undefined ? publicKeyBytes(kid) : undefined;
  if (raw !== undefined) {
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(raw).toString('base64url') };
    key = createPublicKey({ key: jwk, format: 'jwk' });
    if (keys.size >= limits.grantsCached) {
      keys.clear();
    }
    keys.set(kid, key);
  }
  return key;
}

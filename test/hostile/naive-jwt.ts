/**
 * Verifiers as they should not be: each does real cryptography, and forgets one thing.
 */
import { createHmac, createPublicKey, verify } from 'node:crypto';
import { rawPublic } from '../../src/fabric/keys.js';

interface Head {
  readonly alg: string;
  readonly kid?: string;
}

const headOf = (token: string): Head =>
  JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as Head;

/** Is the signature of this link the one of the key that its header names? */
function isSigned(link: string): boolean {
  const [head = '', claims = '', signature = ''] = link.split('.');
  const x = Buffer.from(rawPublic(headOf(link).kid ?? '') ?? []).toString('base64url');
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  return verify(null, Buffer.from(`${head}.${claims}`), key, Buffer.from(signature, 'base64url'));
}

/** Forgets all but signatures: each link is signed by the key that it names itself. */
export function signedByAnybody(grant: string): boolean {
  return grant.split('~').every(isSigned);
}

/** Forgets that the header is the attacker's: believes `alg`, and takes the public key as the secret of an HMAC. */
export function believesAlg(token: string, publicKey: string): boolean {
  const [head = '', claims = '', signature = ''] = token.split('.');
  const { alg } = headOf(token);
  const hmac = () => createHmac('sha256', publicKey).update(`${head}.${claims}`).digest('base64url');
  return alg === 'none' || (alg === 'HS256' && hmac() === signature);
}

/**
 * The signed claims in which a NATS server asks who somebody is, and is told: JWTs with keys in the form of nkeys.
 * Node's own crypto signs them: the client's JavaScript would hold up a process for nine milliseconds per connection.
 */
import { createHash } from 'node:crypto';
import { isSignedBy } from './keys.js';

/** What the server accepts as a signer. */
export interface Signer {
  readonly publicKey: string;
  readonly sign: (text: string) => string;
}

/** Claims of such a token; `nats` depends on its type. */
export interface NatsClaims {
  readonly iss: string;
  readonly sub: string;
  readonly aud?: string;
  /** Epoch seconds. */
  readonly exp?: number;
  readonly nats: Readonly<Record<string, unknown>>;
}

const HEADER = Buffer.from('{"typ":"JWT","alg":"ed25519-nkey"}').toString('base64url');

/** Sign claims. */
export function encodeNatsJwt(claims: object, signer: Signer): string {
  const whole = { ...claims, iss: signer.publicKey, iat: Math.floor(Date.now() / 1000) };
  const jti = createHash('sha256').update(JSON.stringify(whole)).digest('hex');
  const text = `${HEADER}.${Buffer.from(JSON.stringify({ ...whole, jti })).toString('base64url')}`;
  return `${text}.${signer.sign(text)}`;
}

/** Read claims whose signature is that of their issuer; `undefined` for everything else. */
export function decodeNatsJwt(token: string): NatsClaims | undefined {
  const [header = '', body = '', signature = '', ...more] = token.split('.');
  const head = parse(header) as { alg?: unknown } | undefined;
  const claims = parse(body) as Partial<NatsClaims> | undefined;
  const sound =
    more.length === 0 &&
    head?.alg === 'ed25519-nkey' &&
    typeof claims?.iss === 'string' &&
    typeof claims.sub === 'string' &&
    typeof claims.nats === 'object' &&
    isSignedBy(claims.iss, `${header}.${body}`, signature);
  return sound ? (claims as NatsClaims) : undefined;
}

function parse(part: string): unknown {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Keys of users: Ed25519 in the text form NATS calls nkeys (base32 of prefix, key and CRC-16). The server knows the
 * public half only. Node's own crypto does the work: the client's JavaScript implementation blocks for about 9 ms per
 * connection, which is nine seconds when a thousand connections of one process come back after a crash.
 */
import { createPrivateKey, createPublicKey, randomBytes, sign, verify, type KeyObject } from 'node:crypto';
import { meshError } from '../wire/errors.js';
import { nkeyBytes, nkeyText, publicKeyBytes } from '../wire/nkey.js';

/** A key with its two halves. */
export interface UserKey {
  readonly seed: string;
  readonly publicKey: string;
}

const SEED = 18 << 3; // the letter S
const USER = 20 << 3; // the letter U
const ACCOUNT = 0; // the letter A
const PUBLIC_CHARS = 56;
/** What stands before the 32 bytes of an Ed25519 key in PKCS #8, and of a public one in SPKI. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');

/** Make a key of a user. */
export function createUserKey(): UserKey {
  return createKey(USER);
}

/** Make a key that issues users: an account key, in the words of NATS. */
export function createIssuerKey(): UserKey {
  return createKey(ACCOUNT);
}

function createKey(kind: number): UserKey {
  const raw = randomBytes(32);
  // The prefixes overlap: five bits say "seed", the next five say of what.
  const head = Buffer.from([SEED | (kind >> 5), (kind & 31) << 3]);
  return { seed: nkeyText(Buffer.concat([head, raw])), publicKey: publicOf(privateOf(raw), kind) };
}

/** The public half of a seed. `where` names the file it came from; the seed itself is never quoted. */
export function publicKeyOf(seed: string, where: string): string {
  return publicOf(privateOf(readSeed(seed, where, USER)), USER);
}

/** What proves to a server that we hold the seed: the public key and a function that signs its nonce. */
export function signerOf(seed: string): { publicKey: string; sign: (nonce: string) => string } {
  const key = privateOf(readSeed(seed, 'credentials', USER));
  return {
    publicKey: publicOf(key, USER),
    sign: (nonce) => sign(null, Buffer.from(nonce), key).toString('base64url'),
  };
}

/** The private half of a seed, for who signs with it in this process. `where` names the file it came from. */
export function privateKeyOf(seed: string, where: string): KeyObject {
  return privateOf(readSeed(seed, where, USER));
}

/** The same for a key that issues users; it signs text. `where` names the file of the seed. */
export function issuerOf(seed: string, where: string): { publicKey: string; sign: (text: string) => string } {
  const key = privateOf(readSeed(seed, where, ACCOUNT));
  return {
    publicKey: publicOf(key, ACCOUNT),
    sign: (text) => sign(null, Buffer.from(text), key).toString('base64url'),
  };
}

/** Did the holder of this public key (of a user, an account, a server) sign the text? Both forms of base64 are read. */
export function isSignedBy(publicKey: string, text: string, signature: string): boolean {
  const raw = rawPublic(publicKey);
  if (raw === undefined) {
    return false;
  }
  const key = createPublicKey({ key: Buffer.concat([SPKI, raw]), format: 'der', type: 'spki' });
  return verify(null, Buffer.from(text), key, Buffer.from(signature, 'base64'));
}

/** Is this the public half of a user's key, with its checksum? */
export function isUserKey(value: string): boolean {
  return publicKeyBytes(value) !== undefined;
}

/** The 32 bytes of a public key, of whatever it is a key. */
export function rawPublic(publicKey: string): Uint8Array | undefined {
  const bytes = publicKey.length === PUBLIC_CHARS ? nkeyBytes(publicKey) : undefined;
  return bytes?.length === 33 ? bytes.subarray(1) : undefined;
}

function privateOf(raw: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PKCS8, raw]), format: 'der', type: 'pkcs8' });
}

function publicOf(key: KeyObject, kind: number): string {
  const der = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return nkeyText(Buffer.concat([Buffer.from([kind]), der.subarray(-32)]));
}

function readSeed(seed: string, where: string, kind: number): Uint8Array {
  const bytes = nkeyBytes(seed.trim());
  if (bytes?.length !== 34 || bytes[0] !== (SEED | (kind >> 5)) || bytes[1] !== (kind & 31) << 3) {
    const what = kind === USER ? 'a user' : 'an issuer';
    throw meshError('config_invalid', { file: where, where: '/seed', why: `it is not the seed of ${what}` });
  }
  return bytes.subarray(2);
}

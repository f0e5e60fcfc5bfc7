/**
 * Keys of users: Ed25519 in the text form NATS calls nkeys (base32 of prefix, key and CRC-16). The server knows the
 * public half only. Node's own crypto does the work: the client's JavaScript implementation blocks for about 9 ms per
 * connection, which is nine seconds when a thousand connections of one process come back after a crash.
 */
import { createPrivateKey, createPublicKey, randomBytes, sign, type KeyObject } from 'node:crypto';
import { meshError } from '../wire/errors.js';
import { nkeyBytes, nkeyText, publicKeyText } from '../wire/nkey.js';

/** A key of a user. */
export interface UserKey {
  readonly seed: string;
  readonly publicKey: string;
}

const SEED = 18 << 3; // the letter S
const USER = 20 << 3; // the letter U
/** What stands before the 32 bytes of an Ed25519 key in PKCS #8. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** Make a key. */
export function createUserKey(): UserKey {
  const raw = randomBytes(32);
  // The prefixes overlap: five bits say "seed", the next five say of what.
  const head = Buffer.from([SEED | (USER >> 5), (USER & 31) << 3]);
  return { seed: nkeyText(Buffer.concat([head, raw])), publicKey: publicOf(privateOf(raw)) };
}

/** The public half of a seed. `where` names the file it came from; the seed itself is never quoted. */
export function publicKeyOf(seed: string, where: string): string {
  return publicOf(privateOf(readSeed(seed, where)));
}

/** What proves to a server that we hold the seed: the public key and a function that signs its nonce. */
export function signerOf(seed: string): { publicKey: string; sign: (nonce: string) => string } {
  const key = privateOf(readSeed(seed, 'credentials'));
  return {
    publicKey: publicOf(key),
    sign: (nonce) => sign(null, Buffer.from(nonce), key).toString('base64url'),
  };
}

/** The private half of a seed, for who signs with it in this process. `where` names the file it came from. */
export function privateKeyOf(seed: string, where: string): KeyObject {
  return privateOf(readSeed(seed, where));
}

function privateOf(raw: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PKCS8, raw]), format: 'der', type: 'pkcs8' });
}

function publicOf(key: KeyObject): string {
  const der = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return publicKeyText(der.subarray(-32));
}

function readSeed(seed: string, where: string): Uint8Array {
  const bytes = nkeyBytes(seed.trim());
  if (bytes?.length !== 34 || bytes[0] !== (SEED | (USER >> 5)) || bytes[1] !== (USER & 31) << 3) {
    throw meshError('config_invalid', { file: where, where: '/seed', why: 'it is not the seed of a user' });
  }
  return bytes.subarray(2);
}

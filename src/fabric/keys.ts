/**
 * Keys of users: Ed25519 in the text form NATS calls nkeys (base32 of prefix, key and CRC-16). The server knows the
 * public half only. Node's own crypto does the work: the client's JavaScript implementation blocks for about 9 ms per
 * connection, which is nine seconds when a thousand connections of one process come back after a crash.
 */
import { createPrivateKey, createPublicKey, randomBytes, sign, type KeyObject } from 'node:crypto';
import { meshError } from '../wire/errors.js';

/** A key of a user. */
export interface UserKey {
  readonly seed: string;
  readonly publicKey: string;
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const SEED = 18 << 3; // the letter S
const USER = 20 << 3; // the letter U
/** What stands before the 32 bytes of an Ed25519 key in PKCS #8. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** Make a key. */
export function createUserKey(): UserKey {
  const raw = randomBytes(32);
  // The prefixes overlap: five bits say "seed", the next five say of what.
  const head = Buffer.from([SEED | (USER >> 5), (USER & 31) << 3]);
  return { seed: toText(Buffer.concat([head, raw])), publicKey: publicOf(privateOf(raw)) };
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

function privateOf(raw: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PKCS8, raw]), format: 'der', type: 'pkcs8' });
}

function publicOf(key: KeyObject): string {
  const der = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return toText(Buffer.concat([Buffer.from([USER]), der.subarray(-32)]));
}

function readSeed(seed: string, where: string): Uint8Array {
  const bytes = fromText(seed.trim());
  if (bytes?.length !== 34 || bytes[0] !== (SEED | (USER >> 5)) || bytes[1] !== (USER & 31) << 3) {
    throw meshError('config_invalid', { file: where, where: '/seed', why: 'it is not the seed of a user' });
  }
  return bytes.subarray(2);
}

function toText(payload: Uint8Array): string {
  const sum = crc16(payload);
  let bits = 0;
  let held = 0;
  let text = '';
  for (const byte of [...payload, sum & 255, sum >> 8]) {
    held = ((held << 8) | byte) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) {
      text += ALPHABET[(held >> (bits - 5)) & 31];
    }
  }
  return bits > 0 ? text + ALPHABET[(held << (5 - bits)) & 31] : text;
}

function fromText(text: string): Uint8Array | undefined {
  const bytes: number[] = [];
  let bits = 0;
  let held = 0;
  for (const letter of text) {
    const value = ALPHABET.indexOf(letter);
    if (value < 0) {
      return undefined;
    }
    held = ((held << 5) | value) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((held >> bits) & 255);
    }
  }
  const payload = Uint8Array.from(bytes.slice(0, -2));
  const sum = (bytes.at(-2) ?? 0) | ((bytes.at(-1) ?? 0) << 8);
  return crc16(payload) === sum ? payload : undefined;
}

/** CRC-16/XMODEM. */
function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let i = 0; i < 8; i++) {
      crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff;
    }
  }
  return crc;
}

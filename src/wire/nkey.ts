/**
 * The text form that NATS gives to Ed25519 keys (nkeys): base32 of a prefix, 32 bytes and a CRC-16. Only the text;
 * what is done with the bytes is the business of others.
 */
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const USER = 20 << 3; // the letter U
const PUBLIC_KEY = /^U[A-Z2-7]{55}$/;

/** Base32 of the bytes and their checksum. */
export function nkeyText(payload: Uint8Array): string {
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

/** The bytes of a text whose checksum is right, without it; undefined for any other text. */
export function nkeyBytes(text: string): Uint8Array | undefined {
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

/** The text of a user's public key. */
export function publicKeyText(raw: Uint8Array): string {
  return nkeyText(Buffer.concat([Buffer.from([USER]), raw]));
}

/** The 32 bytes of a user's public key; undefined for any other text. One key has one text. */
export function publicKeyBytes(text: string): Uint8Array | undefined {
  const bytes = PUBLIC_KEY.test(text) ? nkeyBytes(text) : undefined;
  const raw = bytes?.length === 33 && bytes[0] === USER ? bytes.subarray(1) : undefined;
  return raw !== undefined && publicKeyText(raw) === text ? raw : undefined;
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

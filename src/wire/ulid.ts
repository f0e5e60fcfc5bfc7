/**
 * Call ids: lowercase ULIDs (48 bits of time, 80 of chance), so that the birth of a call is known from its id.
 */
import { randomFillSync } from 'node:crypto';

const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';
const VALUE = new Map([...DIGITS].map((c, i) => [c, i]));
const ULID = /^[0-7][0-9a-hjkmnp-tv-z]{25}$/;
const pool = new Uint8Array(4096);
let used = pool.length;

/** A fresh call id for this instant (epoch ms). */
export function newCallId(nowMs: number = Date.now()): string {
  let id = '';
  for (let t = nowMs, i = 0; i < 10; i++, t = Math.floor(t / 32)) {
    id = DIGITS.charAt(t % 32) + id;
  }
  if (used + 16 > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  for (let i = 0; i < 16; i++) {
    id += DIGITS.charAt((pool[used++] ?? 0) & 31);
  }
  return id;
}

/** The call id of this instant (epoch ms) whose chance is given: the first 16 bytes of `seed`. */
export function callIdOf(bornMs: number, seed: Uint8Array): string {
  let id = newCallId(bornMs).slice(0, 10);
  for (let i = 0; i < 16; i++) {
    id += DIGITS.charAt((seed[i] ?? 0) & 31);
  }
  return id;
}

/** True when the value is a lowercase ULID. */
export function isCallId(value: string): boolean {
  return value.length === 26 && ULID.test(value);
}

/** The instant (epoch ms) at which a valid call id was made. */
export function birthOf(callId: string): number {
  let t = 0;
  for (let i = 0; i < 10; i++) {
    t = t * 32 + (VALUE.get(callId.charAt(i)) ?? 0);
  }
  return t;
}

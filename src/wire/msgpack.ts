/**
 * Bodies in msgpack: one value within bounds, and only what JSON can carry, so that one schema judges both. The bytes
 * are walked before anything is allocated: declared lengths are believed only as far as there are bytes. Extensions
 * (dates, records, shared structures), binary values, keys that are not texts, NaN and infinities are refused.
 */
import type * as Msgpackr from 'msgpackr';
import { isUtf8 } from 'node:buffer';
import { MeshError, meshError } from './errors.js';
import type { Json } from './json.js';
import { later, once } from './later.js';
import { limits } from './limits.js';

const msgpackr = later<typeof Msgpackr>('msgpackr');

/** Undefined as in JSON: left out of objects, null in arrays. The types of the package do not know `skipValues`. */
const packing = { useRecords: false, skipValues: [undefined], encodeUndefinedAsNil: true };
const packr = once(() => new (msgpackr().Packr)(packing));
const unpackr = once(
  () => new (msgpackr().Unpackr)({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' }),
);
const PROTO = Buffer.from('__proto__');

/**
 * Decode a body. An empty body is `null`.
 * Throws body_too_large, body_undecodable, body_too_deep, body_too_many, body_key, body_number.
 */
export function decodeMsgpack(bytes: Uint8Array, maxBytes: number = limits.bodyBytes): Json {
  if (bytes.length > maxBytes) {
    throw meshError('body_too_large', { bytes: bytes.length, maxBytes });
  }
  if (bytes.length === 0) {
    return null;
  }
  const keys = new Scan(bytes).run();
  let value: Json;
  try {
    value = unpackr().unpack(bytes) as Json;
  } catch (err) {
    throw meshError('body_undecodable', { why: 'not one msgpack value' }, err);
  }
  if (countKeys(value) !== keys) {
    throw meshError('body_key', { pointer: '(a key stands twice)' });
  }
  return value;
}

/**
 * Encode a value; `undefined` becomes null, and properties that are undefined are left out.
 * Throws body_undecodable for what JSON cannot carry, body_number, body_key, body_too_*.
 */
export function encodeMsgpack(value: unknown, maxBytes: number = limits.bodyBytes): Uint8Array {
  let bytes: Buffer;
  try {
    bytes = packr().pack(value ?? null);
  } catch (err) {
    throw meshError('body_undecodable', { why: 'the value has a circle, or something without a form' }, err);
  }
  if (bytes.length > maxBytes) {
    throw meshError('body_too_large', { bytes: bytes.length, maxBytes });
  }
  new Scan(bytes).run(); // what we would not take, we do not send
  return bytes;
}

function countKeys(value: Json): number {
  if (Array.isArray(value)) {
    return value.reduce((sum: number, inner) => sum + countKeys(inner), 0);
  }
  if (typeof value !== 'object' || value === null) {
    return 0;
  }
  return Object.values(value).reduce((sum: number, inner) => sum + 1 + countKeys(inner), 0);
}

/** A container that is open: how many items it still lacks. In a map keys and values are counted apart. */
interface Open {
  left: number;
  readonly map: boolean;
}

/** One walk over the bytes of a value. */
class Scan {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #open: Open[] = [];
  #at = 0;
  #keys = 0;
  #values = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Walk all of it; returns the number of keys. Throws what `decodeMsgpack` throws. */
  run(): number {
    try {
      do {
        this.#item();
        this.#close();
      } while (this.#open.length > 0);
    } catch (err) {
      // The view refuses to read behind its end: the value was cut.
      throw err instanceof MeshError ? err : meshError('body_undecodable', { why: 'it ends too early' }, err);
    }
    if (this.#at !== this.#bytes.length) {
      throw meshError('body_undecodable', { why: `something follows the value at byte ${this.#at}` });
    }
    return this.#keys;
  }

  #item(): void {
    const top = this.#open.at(-1);
    const head = this.#uint(1);
    if (top?.map === true && top.left % 2 === 0) {
      return this.#key(head);
    }
    if (++this.#values > limits.bodyValues) {
      throw meshError('body_too_many', { max: limits.bodyValues });
    }
    this.#value(head);
  }

  /** Leave the containers that have all their items. */
  #close(): void {
    for (let top = this.#open.at(-1); top?.left === 0; top = this.#open.at(-1)) {
      this.#open.pop();
    }
  }

  #key(head: number): void {
    const length = this.#textLength(head);
    if (length === undefined) {
      throw meshError('body_undecodable', { why: `a key that is no text at byte ${this.#at - 1}` });
    }
    const text = this.#text(length);
    if (PROTO.equals(text)) {
      throw meshError('body_key', { pointer: `__proto__ at byte ${this.#at}` });
    }
    this.#keys++;
    this.#count();
  }

  #value(head: number): void {
    this.#count();
    const text = this.#textLength(head);
    if (text !== undefined) {
      this.#text(text);
    } else if (head <= 0x7f || head >= 0xe0 || head === 0xc0 || head === 0xc2 || head === 0xc3) {
      return; // a small number, null, false, true
    } else if (head >= 0xca && head <= 0xd3) {
      this.#number(head);
    } else if ((head & 0xf0) === 0x80 || head === 0xde || head === 0xdf) {
      this.#enter(head, true);
    } else if ((head & 0xf0) === 0x90 || head === 0xdc || head === 0xdd) {
      this.#enter(head, false);
    } else {
      throw meshError('body_undecodable', {
        why: `a binary value, an extension or no msgpack at byte ${this.#at - 1}`,
      });
    }
  }

  #number(head: number): void {
    const sizes = [4, 8, 1, 2, 4, 8, 1, 2, 4, 8];
    const at = this.#at;
    this.#at += sizes[head - 0xca] ?? 0;
    const value =
      head === 0xca
        ? this.#view.getFloat32(at)
        : head === 0xcb
          ? this.#view.getFloat64(at)
          : head === 0xcf
            ? Number(this.#view.getBigUint64(at))
            : head === 0xd3
              ? Number(this.#view.getBigInt64(at))
              : this.#view.getUint8(this.#at - 1) && 0;
    if (!(value <= Number.MAX_SAFE_INTEGER && value >= -Number.MAX_SAFE_INTEGER)) {
      throw meshError('body_number', { pointer: `byte ${at}` });
    }
  }

  #enter(head: number, map: boolean): void {
    const count = head < 0xa0 ? head & 0x0f : this.#uint(head === 0xde || head === 0xdc ? 2 : 4);
    if (count > this.#bytes.length - this.#at) {
      throw meshError('body_undecodable', { why: `it says ${count} items and ends before` });
    }
    if (this.#open.length >= limits.bodyDepth) {
      throw meshError('body_too_deep', { max: limits.bodyDepth, pointer: `byte ${this.#at}` });
    }
    this.#open.push({ left: map ? 2 * count : count, map });
  }

  #count(): void {
    const top = this.#open.at(-1);
    if (top !== undefined) {
      top.left--;
    }
  }

  #textLength(head: number): number | undefined {
    if ((head & 0xe0) === 0xa0) {
      return head & 0x1f;
    }
    return head >= 0xd9 && head <= 0xdb ? this.#uint(2 ** (head - 0xd9)) : undefined;
  }

  #text(length: number): Uint8Array {
    const end = this.#at + length;
    const text = this.#bytes.subarray(this.#at, end);
    if (end > this.#bytes.length || !isUtf8(text)) {
      throw meshError('body_undecodable', { why: `a text that is cut or no UTF-8 at byte ${this.#at}` });
    }
    this.#at = end;
    return text;
  }

  #uint(size: number): number {
    const at = this.#at;
    this.#at += size;
    return size === 1
      ? this.#view.getUint8(at)
      : size === 2
        ? this.#view.getUint16(at)
        : this.#view.getUint32(at);
  }
}

/**
 * What a body is: JSON (the default), msgpack, or raw bytes that nobody looks into.
 */
import { meshError } from './errors.js';
import { decodeJson, encodeJson, type Json } from './json.js';
import { limits } from './limits.js';
import { decodeMsgpack, encodeMsgpack } from './msgpack.js';

/** The kinds of bodies. */
export type BodyType = 'json' | 'msgpack' | 'bytes';

/** A body as it crosses the wire. */
export interface EncodedBody {
  readonly type: BodyType;
  readonly bytes: Uint8Array;
}

/** The value of the header Content-Type for each kind. */
export const contentTypes: Readonly<Record<BodyType, string>> = {
  json: 'application/json',
  msgpack: 'application/msgpack',
  bytes: 'application/octet-stream',
};

/** The kind that a Content-Type says; JSON when there is none. Throws content_type. */
export function bodyTypeOf(text: string | undefined): BodyType {
  if (text === undefined || text.startsWith(contentTypes.json)) {
    return 'json';
  }
  const type = text === contentTypes.msgpack ? 'msgpack' : text === contentTypes.bytes ? 'bytes' : undefined;
  if (type === undefined) {
    throw meshError('content_type', { value: text.slice(0, 64), taken: '' });
  }
  return type;
}

/** What stands in Content-Type: nothing for JSON. */
export function contentTypeOf(type: BodyType): string | undefined {
  return type === 'json' ? undefined : contentTypes[type];
}

/** The most bytes a body of this kind may have, by reference. */
export function largestOf(type: BodyType): number {
  return type === 'bytes' ? limits.bodyRefBytes : limits.bodyCheckBytes;
}

/**
 * Encode what a user gives: a Uint8Array (a Buffer too) as it is, all else as JSON or msgpack.
 * Throws body_too_large for more than can be sent by reference, body_undecodable, with msgpack body_*.
 */
export function encodeBody(value: unknown, encoding: 'json' | 'msgpack' = 'json'): EncodedBody {
  if (value instanceof Uint8Array) {
    if (value.length > limits.bodyRefBytes) {
      throw meshError('body_too_large', { bytes: value.length, maxBytes: limits.bodyRefBytes });
    }
    return { type: 'bytes', bytes: value };
  }
  const encode = encoding === 'msgpack' ? encodeMsgpack : encodeJson;
  return { type: encoding, bytes: encode(value, limits.bodyCheckBytes) };
}

/** Decode a JSON or msgpack body with every check. Throws body_*. */
export function decodeValue(type: 'json' | 'msgpack', bytes: Uint8Array, maxBytes?: number): Json {
  return type === 'msgpack' ? decodeMsgpack(bytes, maxBytes) : decodeJson(bytes, maxBytes);
}

/** Read a body that a gateway has checked: bytes as a Buffer, an empty JSON body as null. */
export function readBody(type: BodyType, bytes: Uint8Array): unknown {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (type === 'bytes') {
    return buffer;
  }
  if (buffer.length === 0) {
    return null;
  }
  return type === 'msgpack' ? decodeMsgpack(buffer, limits.bodyCheckBytes) : JSON.parse(buffer.toString());
}

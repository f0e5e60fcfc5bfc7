/**
 * References to large bodies. A reference names the owner (who uploaded it), the body, its size, its SHA-256 digest,
 * what it is, how long it is kept, and its one reader; a mac of the gateways seals all of that. So a gateway keeps
 * nothing: what a reference allows stands in it.
 *
 * The owner's own reference (reader = owner) may be put on a call or a result. On a task the gateway seals another
 * one whose reader is the agent, on an outcome one whose reader is the caller. Neither of them can be put on a call.
 */
import { createHmac } from 'node:crypto';
import type { BodyType } from '../wire/content.js';
import { meshError } from '../wire/errors.js';
import type { KeyRing } from '../wire/keyring.js';
import { isToken, type Token } from '../wire/names.js';
import { sameMac } from './ticket.js';

/** What a reference says. */
export interface BodyRef {
  readonly owner: Token;
  /** Unguessable name of the body among those of its owner. */
  readonly body: Token;
  readonly bytes: number;
  /** SHA-256 of the body, base64url. */
  readonly digest: string;
  readonly type: BodyType;
  /** Instant in epoch ms until which it is kept. */
  readonly until: number;
  readonly reader: Token;
}

/** `upload`: not whole yet, good only for sending chunks. `read`: a gateway has read all of it and its digest is right. */
export type RefUse = 'upload' | 'read';

const TYPES: Readonly<Record<string, BodyType>> = { json: 'json', msgpack: 'msgpack', bytes: 'bytes' };
const DIGITS = /^[0-9]{1,15}$/;
const DIGEST = /^[A-Za-z0-9_-]{43}$/;
const MAC_CHARS = 32;

/** Seal a reference. The same facts give the same text, on any gateway. */
export function sealBodyRef(ring: KeyRing, use: RefUse, ref: BodyRef): string {
  const { owner, body, bytes, digest, type, until, reader } = ref;
  const text = [owner, body, bytes, digest, type, until, reader, ring.current].join('.');
  return `${text}.${macOf(ring, ring.current, use, text)}`;
}

/** Open a reference. Throws body_ref_invalid; the caller checks owner, reader and time. */
export function openBodyRef(ring: KeyRing, use: RefUse, text: string): BodyRef {
  const ref = parseBodyRef(text);
  if (ref === undefined) {
    throw meshError('body_ref_invalid', { why: 'it is not a reference' });
  }
  const cut = text.lastIndexOf('.');
  const kid = text.slice(text.lastIndexOf('.', cut - 1) + 1, cut);
  if (!ring.keys.has(kid) || !sameMac(macOf(ring, kid, use, text.slice(0, cut)), text.slice(cut + 1))) {
    const why = use === 'read' ? 'no gateway of this mesh sealed it' : 'no gateway of this mesh began it';
    throw meshError('body_ref_invalid', { why });
  }
  return ref;
}

/** What a reference says, unproven: for those who cannot check a mac, and for digests. */
export function parseBodyRef(text: string | undefined): BodyRef | undefined {
  const [owner, body, bytes = '', digest = '', type = '', until = '', reader, kid, mac, ...more] =
    text?.split('.') ?? [];
  const kind = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined;
  const whole = kid !== undefined && mac?.length === MAC_CHARS && more.length === 0;
  const fits = DIGITS.test(bytes) && DIGITS.test(until) && DIGEST.test(digest) && kind !== undefined;
  if (!whole || !fits || !isToken(owner) || !isToken(body) || !isToken(reader)) {
    return undefined;
  }
  return { owner, body, bytes: Number(bytes), digest, type: kind, until: Number(until), reader };
}

function macOf(ring: KeyRing, kid: string, use: RefUse, text: string): string {
  return createHmac('sha256', ring.keys.get(kid) ?? Buffer.alloc(0))
    .update(`body\n${use}\n${ring.epoch}\n${text}`)
    .digest('hex')
    .slice(0, MAC_CHARS);
}

import { openBodyRef } from '../../domain/body-ref.js';
import { bodyTypeOf, contentTypes, decodeValue } from '../../wire/content.js';
import { meshError } from '../../wire/errors.js';
import { header } from '../../wire/headers.js';
import { asCapability, asToken } from '../../wire/names.js';
import { readWish } from '../../domain/routing/wish.js';
import { readParts } from '../../wire/parts.js';
import { isPriority, priorityNames } from '../../wire/priority.js';
import { birthOf, isCallId } from '../../wire/ulid.js';
import { limits } from '../../wire/limits.js';
import type { Draft, World } from '../draft.js';
import type { Guard } from '../verdict.js';

const DIGITS = /^[0-9]{1,5}$/;
const PLAIN = /^[\x20-\x7e]{1,128}$/;

/**
 * Decides whether the call can be read.
 *
 * - Refuses with: call_id_missing, call_id_invalid, call_id_early, name_invalid, header_invalid, content_type, body_*.
 * - Needs: nothing.
 * - Proves: id, who, what, body value (or that its reference is the caller's own), and the headers the rest uses.
 */
export const decode: Guard = {
  name: 'decode',
  check(draft, world) {
    if ((draft.headerBytes ?? 0) > limits.headerBytes) {
      throw meshError('header_invalid', {
        name: 'block',
        why: `it is larger than ${limits.headerBytes} bytes`,
      });
    }
    readId(draft);
    draft.who = asToken(draft.from, 'from');
    draft.what = asCapability(draft.capability);
    readHeaders(draft);
    const type = draft.headers.get(header.contentType);
    draft.type = bodyTypeOf(type);
    if (draft.bodyRef !== undefined) {
      readRef(draft, world, draft.bodyRef);
    } else if (draft.type !== 'bytes') {
      draft.value = decodeValue(draft.type, draft.body);
    } else if (draft.body.length > limits.bodyBytes) {
      throw meshError('body_too_large', { bytes: draft.body.length, maxBytes: limits.bodyBytes });
    }
    return undefined;
  },
};

/** Only the owner of a body may put it on a call, and only with the reference that was sealed for the owner. */
function readRef(draft: Draft, world: World, text: string): void {
  const ref = openBodyRef(world.ring, 'read', text);
  if (ref.owner !== draft.who || ref.reader !== draft.who) {
    throw meshError('body_ref_foreign', { owner: ref.owner, from: draft.who, what: 'send' });
  }
  if (draft.body.length > 0) {
    throw meshError('header_invalid', { name: header.bodyRef, why: 'the call has a body of its own too' });
  }
  if (ref.type !== draft.type) {
    throw meshError('content_type', { value: contentTypes[draft.type], taken: `; the body is ${ref.type}` });
  }
  draft.ref = ref;
}

function readId(draft: Draft): void {
  const id = draft.headers.get(header.call) ?? draft.mintedId;
  if (id === undefined) {
    throw meshError('call_id_missing', { where: 'this subject' });
  }
  if (!isCallId(id)) {
    throw meshError('call_id_invalid', { value: JSON.stringify(id.slice(0, 64)) });
  }
  const bornMs = birthOf(id);
  if (bornMs > draft.nowMs + limits.clockSkewMs) {
    throw meshError('call_id_early', { aheadMs: bornMs - draft.nowMs, maxMs: limits.clockSkewMs });
  }
  draft.id = id;
  draft.bornMs = bornMs;
}

function readHeaders(draft: Draft): void {
  draft.major = numberOf(draft, header.major);
  draft.child = numberOf(draft, header.child);
  draft.context = textOf(draft, header.context);
  draft.intent = textOf(draft, header.intent);
  draft.bodyRef = draft.headers.get(header.bodyRef);
  draft.parts = draft.headers.get(header.parts);
  if (draft.parts !== undefined && readParts(draft.parts) === undefined) {
    const why = `it is not a number of parts from 1 to ${limits.partWindowMax}, with or without " questions"`;
    throw meshError('header_invalid', { name: header.parts, why });
  }
  const said = draft.headers.get(header.priority);
  if (said !== undefined && !isPriority(said)) {
    throw meshError('header_invalid', {
      name: header.priority,
      why: `it is none of ${priorityNames.join(', ')}`,
    });
  }
  draft.said = said;
  draft.wish = readWish(draft.headers.get(header.route), draft.headers.get(header.difficulty));
  const labels = draft.headers.get(header.labels);
  draft.labels = labels === undefined ? undefined : labelsOf(labels);
}

function numberOf(draft: Draft, name: string): number | undefined {
  const text = draft.headers.get(name);
  if (text === undefined) {
    return undefined;
  }
  if (!DIGITS.test(text) || Number(text) > 65_535) {
    throw meshError('header_invalid', { name, why: 'it is not a whole number below 65536' });
  }
  return Number(text);
}

function textOf(draft: Draft, name: string): string | undefined {
  const text = draft.headers.get(name);
  if (text !== undefined && !PLAIN.test(text)) {
    throw meshError('header_invalid', { name, why: 'it is not 1 to 128 printable ASCII characters' });
  }
  return text;
}

function labelsOf(text: string): { [key: string]: string } {
  const name = header.labels;
  const labels: { [key: string]: string } = {};
  const pairs = text.split(',');
  if (pairs.length > 16) {
    throw meshError('header_invalid', { name, why: 'it has more than 16 labels' });
  }
  for (const pair of pairs) {
    const cut = pair.indexOf('=');
    const [key, value] = [pair.slice(0, Math.max(0, cut)).trim(), pair.slice(cut + 1).trim()];
    if (!/^[a-z0-9_-]{1,64}$/.test(key) || !PLAIN.test(value)) {
      throw meshError('header_invalid', { name, why: 'it is not a list of key=value' });
    }
    labels[key] = value;
  }
  return labels;
}

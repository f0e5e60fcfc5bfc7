/**
 * What a result is: JSON, msgpack for a caller that sent msgpack, raw bytes if the agent's card says that it gives
 * them, in the message or by reference.
 */
import { openBodyRef, type BodyRef } from '../../domain/body-ref.js';
import { bodyTypeOf, contentTypes, decodeValue, type BodyType } from '../../wire/content.js';
import { asMeshError, MeshError, meshError } from '../../wire/errors.js';
import type { DecisionRecord, OutcomeRecord } from '../../wire/generated/messages.js';
import { header, type HeaderBlock } from '../../wire/headers.js';
import { limits } from '../../wire/limits.js';
import type { Token } from '../../wire/names.js';
import type { Core } from '../core.js';
import { refFor } from '../dispatch.js';
import { checkBody } from './check.js';

/** A result that was judged: why it is not valid, or what stands in its outcome beside the payload. */
export interface JudgedResult {
  readonly errors: readonly string[] | undefined;
  readonly kind: Pick<OutcomeRecord, 'type' | 'bodyRef'>;
}

/** Judge a result that lies in its message. */
export function judgeResult(
  core: Core,
  record: DecisionRecord,
  headers: HeaderBlock,
  body: Uint8Array,
): JudgedResult {
  try {
    const type = typeOf(core, record, headers);
    if (type !== 'bytes') {
      const value = decodeValue(type, body);
      return { errors: validatorOf(core, record)?.(value), kind: kindOf(type) };
    }
    if (body.length > limits.bodyBytes) {
      throw meshError('body_too_large', { bytes: body.length, maxBytes: limits.bodyBytes });
    }
    return { errors: undefined, kind: kindOf(type) };
  } catch (err) {
    return { errors: [asMeshError(err, 'result').sentence], kind: {} };
  }
}

/**
 * Judge a result by reference: only its own agent may give it, and it must be kept as long as the outcome. The
 * outcome's reference has the caller as its reader. Rejects when it could not be read this time.
 */
export async function judgeResultByRef(
  core: Core,
  record: DecisionRecord,
  headers: HeaderBlock,
): Promise<JudgedResult> {
  try {
    const text = headers.get(header.bodyRef) ?? '';
    const ref = openBodyRef(core.ring, 'read', text);
    mustLast(record, ref);
    const type = typeOf(core, record, headers);
    if (type !== ref.type) {
      throw meshError('content_type', { value: contentTypes[type], taken: `; the body is ${ref.type}` });
    }
    const errors = await checkBody(core, ref, validatorOf(core, record) ?? (() => undefined));
    return { errors, kind: { ...kindOf(type), bodyRef: refFor(core, text, record.from as Token) } };
  } catch (err) {
    if (!(err instanceof MeshError) || err.code === 'overloaded') {
      throw err;
    }
    return { errors: [err.sentence], kind: {} };
  }
}

function mustLast(record: DecisionRecord, ref: BodyRef): void {
  if (ref.owner !== record.agent || ref.reader !== record.agent) {
    throw meshError('body_ref_foreign', { owner: ref.owner, from: record.agent, what: 'give' });
  }
  if (ref.until < (record.expires ?? 0)) {
    const why = 'it is kept for less long than the outcome';
    throw meshError('body_missing', { body: ref.body, owner: ref.owner, why });
  }
}

function validatorOf(core: Core, { capability, major }: DecisionRecord) {
  return core.registry.find(capability, major)?.output;
}

function kindOf(type: BodyType): Pick<OutcomeRecord, 'type'> {
  return type === 'json' ? {} : { type };
}

/** What the result says it is, if this agent may give that to this caller. Throws content_type. */
function typeOf(core: Core, record: DecisionRecord, headers: HeaderBlock): BodyType {
  const type = bodyTypeOf(headers.get(header.contentType));
  const entry = core.registry.find(record.capability, record.major);
  const gives = entry?.offers.get(record.agent as Token)?.gives ?? ['json'];
  // An agent that gives values gives them to those who sent msgpack as msgpack, if it likes.
  const wanted = type === 'msgpack' ? 'json' : type;
  if (!gives.includes(wanted) || (type === 'msgpack' && record.type !== 'msgpack')) {
    throw meshError('content_type', {
      value: contentTypes[type],
      taken: ` as a result; the card says ${gives.join(', ')}`,
    });
  }
  return type;
}

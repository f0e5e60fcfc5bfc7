/**
 * The body service: users have no right in JetStream, so large bodies go through a gateway, chunk by chunk, each
 * acknowledged when it is durable. Any gateway takes any chunk: what it needs stands in the sealed reference.
 */
import type { Msg } from '../../fabric/connection.js';
import { headersOf, rawHeaders } from '../../fabric/raw.js';
import { openBodyRef, sealBodyRef, type BodyRef, type RefUse } from '../../domain/body-ref.js';
import { compileOurs } from '../../domain/validator.js';
import { largestOf } from '../../wire/content.js';
import { asMeshError, meshError } from '../../wire/errors.js';
import type { Upload, UploadReply } from '../../wire/generated/messages.js';
import { schemas } from '../../wire/generated/schemas.js';
import { parse, pattern } from '../../wire/generated/subjects.js';
import { encodeHeaders, header } from '../../wire/headers.js';
import { decodeJson } from '../../wire/json.js';
import { limits } from '../../wire/limits.js';
import { asToken, type Token } from '../../wire/names.js';
import type { Core } from '../core.js';
import { isOwnInbox, replyError } from '../reply.js';
import { Shares, Slots } from './slots.js';
import { chunkSize, chunksOf, drop, newBodyName, readAll, readChunk, reserve, writeChunk } from './store.js';

const REQUEST_BYTES = 4_096;
const QUEUE = 'gateway';
const CHUNK = /^[0-9]{1,6}$/;
const fitsUpload = compileOurs(schemas.upload);

/** One request to the service. */
interface Asked {
  readonly core: Core;
  readonly msg: Msg;
  readonly from: Token;
  readonly seals: Slots;
}

const steps: Readonly<Record<string, (asked: Asked) => Promise<UploadReply>>> = {
  begin,
  chunk: takeChunk,
  end,
  drop: dropBody,
};

/** Serve uploads and fetches. Returns how to stop. */
export function serveBodies(core: Core): () => void {
  // Sealing has places of its own, so that it does not hold up the calls whose bodies are checked.
  const seals = new Slots(limits.bodyReads, limits.bodyReadsWaiting);
  const shares = new Shares(limits.chunksPerUser, limits.chunksAtOnce);
  const hear = (
    subject: string,
    who: (subject: string) => string | undefined,
    answer: (asked: Asked) => Promise<void>,
  ) =>
    core.nc.subscribe(subject, {
      queue: QUEUE,
      callback: (err, msg) => {
        const from = err === null ? who(msg.subject) : undefined;
        // Bytes that the server wrote have no headers, and no reply in anybody's own inbox.
        if (from === undefined || !isOwnInbox(msg.reply, from)) {
          return;
        }
        const { reply } = msg;
        shares
          .run(from, () => answer({ core, msg, from: asToken(from, 'from'), seals }))
          .catch((cause: unknown) => replyError(core, reply, asMeshError(cause, 'the body service')));
      },
    });
  const subs = [
    hear(pattern.upload, (text) => parse.upload(text)?.from, answerUpload),
    hear(pattern.fetch, (text) => parse.fetch(text)?.from, answerFetch),
  ];
  return () => subs.forEach((sub) => sub.unsubscribe());
}

async function answerUpload(asked: Asked): Promise<void> {
  const what = parse.upload(asked.msg.subject)?.what ?? '';
  const step = Object.hasOwn(steps, what) ? steps[what] : undefined;
  if (step === undefined) {
    throw meshError('not_found', { what: 'the step of an upload', name: what.slice(0, 64) });
  }
  const reply = await step(asked);
  asked.core.nc.publish(asked.msg.reply ?? '', JSON.stringify(reply));
}

/** Room for a body. The reply's reference is good for sending its chunks only. */
async function begin({ core, msg, from }: Asked): Promise<UploadReply> {
  const value = decodeJson(msg.data, REQUEST_BYTES);
  const errors = fitsUpload(value);
  if (errors !== undefined) {
    throw meshError('schema_violation', { capability: 'upload.begin', errors });
  }
  const { bytes, digest, type, until } = value as unknown as Upload;
  const max = largestOf(type);
  if (bytes > max) {
    throw meshError('body_too_large', { bytes, maxBytes: max });
  }
  const latest = Date.now() + limits.lifeMaxMs + limits.graceMs + limits.clockSkewMs;
  if (until <= Date.now() || until > latest) {
    throw meshError('deadline_invalid', { value: String(until) });
  }
  const ref: BodyRef = { owner: from, body: newBodyName(), bytes, digest, type, until, reader: from };
  await reserve(core, ref);
  return { ref: sealBodyRef(core.ring, 'upload', ref), chunkBytes: limits.chunkBytes };
}

async function takeChunk(asked: Asked): Promise<UploadReply> {
  const ref = ownRef(asked, 'upload');
  const chunk = chunkOf(asked.msg, ref);
  const bytes = asked.msg.data;
  if (bytes.length !== chunkSize(ref, chunk)) {
    const why = `chunk ${chunk} has ${bytes.length} bytes and not ${chunkSize(ref, chunk)}`;
    throw meshError('header_invalid', { name: header.chunk, why });
  }
  await writeChunk(asked.core, ref, chunk, bytes);
  return {};
}

/** All chunks are there: they are read once, and only then is the reference good for a call. */
async function end(asked: Asked): Promise<UploadReply> {
  const ref = ownRef(asked, 'upload');
  await asked.seals.run(() => readAll(asked.core, ref, () => undefined));
  return { ref: sealBodyRef(asked.core.ring, 'read', ref) };
}

/** The owner needs it no more. */
async function dropBody(asked: Asked): Promise<UploadReply> {
  await drop(asked.core, ownRef(asked, 'upload', 'read'));
  return {};
}

async function answerFetch(asked: Asked): Promise<void> {
  const { core, msg, from } = asked;
  const ref = openBodyRef(core.ring, 'read', headersOf(msg).get(header.bodyRef) ?? '');
  if (ref.reader !== from) {
    throw meshError('body_ref_foreign', { owner: ref.owner, from, what: 'read' });
  }
  const chunk = chunkOf(msg, ref);
  const bytes = await readChunk(core, ref, chunk);
  const headers = rawHeaders(encodeHeaders([[header.chunk, chunk]]));
  core.nc.publish(msg.reply ?? '', bytes, { headers });
}

/** The reference of the request, which must be the asker's own body. Throws body_ref_invalid, body_ref_foreign. */
function ownRef({ core, msg, from }: Asked, use: RefUse, orUse?: RefUse): BodyRef {
  const text = headersOf(msg).get(header.bodyRef) ?? '';
  let ref: BodyRef;
  try {
    ref = openBodyRef(core.ring, use, text);
  } catch (err) {
    if (orUse === undefined) {
      throw err;
    }
    ref = openBodyRef(core.ring, orUse, text);
  }
  if (ref.owner !== from || ref.reader !== from) {
    throw meshError('body_ref_foreign', { owner: ref.owner, from, what: 'write' });
  }
  return ref;
}

function chunkOf(msg: Msg, ref: BodyRef): number {
  const text = headersOf(msg).get(header.chunk) ?? '';
  const chunk = CHUNK.test(text) ? Number(text) : 0;
  if (chunk < 1 || chunk > chunksOf(ref)) {
    throw meshError('header_invalid', { name: header.chunk, why: `it is not 1 to ${chunksOf(ref)}` });
  }
  return chunk;
}

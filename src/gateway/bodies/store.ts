/**
 * Large bodies in the stream BODIES: chunk 0 reserves the bytes, the others carry them. Every chunk is a subject of
 * its own that the server lets be written once, so that a sealed body cannot change, and any chunk is found at once.
 */
import { createHash, randomBytes } from 'node:crypto';
import { getBySubject, getLast } from '../../fabric/reader.js';
import { purgeSubject, subjectsOf } from '../../fabric/streams.js';
import type { BodyRef } from '../../domain/body-ref.js';
import { meshError } from '../../wire/errors.js';
import { ingress, parse, subject } from '../../wire/generated/subjects.js';
import { header, headerBlock, headerLine } from '../../wire/headers.js';
import { limits } from '../../wire/limits.js';
import type { Token } from '../../wire/names.js';
import type { Core } from '../core.js';

const EMPTY = new Uint8Array(0);

/** An unguessable name for a body. */
export function newBodyName(): Token {
  return randomBytes(12).toString('hex') as Token;
}

/** How many chunks the body has. */
export function chunksOf(ref: BodyRef): number {
  return Math.ceil(ref.bytes / limits.chunkBytes);
}

/** Size of one chunk of the body. */
export function chunkSize(ref: BodyRef, chunk: number): number {
  return chunk < chunksOf(ref) ? limits.chunkBytes : ref.bytes - (chunksOf(ref) - 1) * limits.chunkBytes;
}

/**
 * Make room for a body: its reservation is written first and judged with all others of the owner, so that two at the
 * same time may both be refused, and never both be taken beyond the bound. Throws body_quota, storage_full, unavailable.
 */
export async function reserve(core: Core, ref: BodyRef): Promise<void> {
  await writeChunk(core, ref, 0, EMPTY);
  const every = `mesh.v1.body.${ref.owner}.*.*.0`;
  const held = (await subjectsOf(core.nc, 'BODIES', every)).map((text) =>
    Number(parse.body(text)?.bytes ?? 0),
  );
  const bytes = held.reduce((sum, one) => sum + one, 0);
  if (held.length > limits.bodiesPerOwner || bytes > limits.ownerBytes) {
    await drop(core, ref);
    const max = { max: limits.bodiesPerOwner, maxBytes: limits.ownerBytes };
    const others = { bodies: held.length - 1, bytes: bytes - ref.bytes };
    throw meshError('body_quota', { from: ref.owner, ...others, ...max });
  }
}

/** Make one chunk durable. Throws body_changed (another content stands there), storage_full, unavailable. */
export async function writeChunk(core: Core, ref: BodyRef, chunk: number, bytes: Uint8Array): Promise<void> {
  const ttl = Math.max(1, Math.ceil((ref.until - Date.now()) / 1000));
  const headers = headerBlock(headerLine(header.chunk, chunk) + headerLine(header.ttl, ttl));
  const ack = await core.pub.publishAsync(ingress.body(core.ingress, addressOf(ref, chunk)), bytes, headers);
  if (ack.kind === 'stored' || ack.kind === 'duplicate') {
    return;
  }
  if (ack.kind !== 'occupied') {
    throw meshError('unavailable', { waitedMs: limits.ackTimeoutMs, why: ack.text });
  }
  // 10077: written before (by a try whose acknowledgement was lost), or the stream is full.
  const there = await getLast(core.nc, 'BODIES', subject.body(addressOf(ref, chunk)));
  if (there === undefined) {
    throw meshError('storage_full', { stream: 'BODIES' });
  }
  if (!Buffer.from(bytes).equals(there.body)) {
    throw meshError('body_changed', { body: ref.body, owner: ref.owner });
  }
}

/** Read one chunk. Throws body_missing. */
export async function readChunk(core: Core, ref: BodyRef, chunk: number): Promise<Uint8Array> {
  const stored = await getBySubject(core.nc, 'BODIES', subject.body(addressOf(ref, chunk)));
  if (stored === undefined) {
    throw meshError('body_missing', {
      body: ref.body,
      owner: ref.owner,
      why: `there is no chunk ${chunk} of ${chunksOf(ref)}`,
    });
  }
  return stored.body;
}

/** Read all of it, chunk by chunk, and prove its digest. Throws body_missing, body_changed. */
export async function readAll(core: Core, ref: BodyRef, onChunk: (bytes: Uint8Array) => void): Promise<void> {
  const hash = createHash('sha256');
  let bytes = 0;
  for (let chunk = 1; chunk <= chunksOf(ref); chunk++) {
    const data = await readChunk(core, ref, chunk);
    hash.update(data);
    bytes += data.length;
    onChunk(data);
  }
  if (bytes !== ref.bytes || hash.digest('base64url') !== ref.digest) {
    throw meshError('body_changed', { body: ref.body, owner: ref.owner });
  }
}

/** Remove it. */
export async function drop(core: Core, ref: BodyRef): Promise<void> {
  await purgeSubject(core.nc, 'BODIES', `mesh.v1.body.${ref.owner}.${ref.body}.>`);
}

function addressOf(ref: BodyRef, chunk: number): { from: Token; body: Token; bytes: number; chunk: number } {
  return { from: ref.owner, body: ref.body, bytes: ref.bytes, chunk };
}

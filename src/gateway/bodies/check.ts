/**
 * Bodies by reference are looked at before the chain judges a call, and before a result is settled: guards never wait,
 * and nothing by reference passes unseen. JSON and msgpack are read whole and held against the schema; of raw bytes,
 * which have none, the last chunk must be there. What was read is let go at once: only the finding is kept.
 */
import type { FoundBody, Incoming } from '../../chain/draft.js';
import { openBodyRef, type BodyRef } from '../../domain/body-ref.js';
import type { Validator } from '../../domain/validator.js';
import { decodeValue } from '../../wire/content.js';
import { MeshError, meshError } from '../../wire/errors.js';
import { header } from '../../wire/headers.js';
import { limits } from '../../wire/limits.js';
import type { Core } from '../core.js';
import { chunksOf, readAll, readChunk } from './store.js';

const MAJOR = /^[0-9]{1,5}$/;

/**
 * Look at the body of a call. What the chain would refuse anyway is not looked at: a stranger's reference, a
 * capability that the caller may not call or that nobody offers. Rejects when it could not be read this time.
 */
export async function findBody(core: Core, incoming: Incoming): Promise<Incoming> {
  const { from, capability, headers } = incoming;
  const major = headers.get(header.major);
  const wanted = major === undefined || !MAJOR.test(major) ? undefined : Number(major);
  const entry = core.registry.find(capability, wanted);
  if (entry === undefined || !core.policy.mayCall(from, capability)) {
    return incoming;
  }
  let found: FoundBody;
  try {
    const ref = openBodyRef(core.ring, 'read', headers.get(header.bodyRef) ?? '');
    if (ref.owner !== from) {
      return incoming;
    }
    found = { contract: entry.contract, errors: await checkBody(core, ref, entry.input) };
  } catch (err) {
    if (!(err instanceof MeshError)) {
      throw err;
    }
    found = { error: err };
  }
  return { ...incoming, found };
}

/** What does not fit, or undefined. Throws body_missing, body_changed, body_*, overloaded. */
export function checkBody(core: Core, ref: BodyRef, fits: Validator): Promise<readonly string[] | undefined> {
  const { type } = ref;
  if (type === 'bytes') {
    return readChunk(core, ref, chunksOf(ref)).then(() => undefined);
  }
  if (ref.bytes > limits.bodyCheckBytes) {
    throw meshError('body_too_large', { bytes: ref.bytes, maxBytes: limits.bodyCheckBytes });
  }
  return core.reads.run(async () => {
    const chunks: Uint8Array[] = [];
    await readAll(core, ref, (bytes) => chunks.push(bytes));
    return fits(decodeValue(type, Buffer.concat(chunks), limits.bodyCheckBytes));
  });
}

/**
 * A call whose body does not fit into a message: the body is stored first, the call carries its reference, and when
 * the outcome is known the body is dropped.
 */
import { bytesDigest } from '../wire/digest.js';
import { MeshError } from '../wire/errors.js';
import type { EncodedBody } from '../wire/content.js';
import { limits } from '../wire/limits.js';
import type { Bodies, TransferBounds } from './bodies.js';

/** A body as the call carries it: whole, or empty with a reference. */
export interface SentBody extends EncodedBody {
  readonly ref?: string;
  /** Digest of the body that the reference names. */
  readonly digest?: string;
  /** How long storing it took, in ms. */
  readonly tookMs?: number;
}

const EMPTY = new Uint8Array(0);

/** Store the body, then start the call with its reference. Rejects as `Bodies.upload` and the call do. */
export async function sendLarge<T>(
  bodies: Bodies,
  { type, bytes }: EncodedBody,
  bounds: TransferBounds,
  start: (sent: SentBody) => Promise<T>,
): Promise<T> {
  const began = Date.now();
  const digest = bytesDigest(bytes);
  const ref = await bodies.upload({ type, bytes }, bounds.deadline + limits.graceMs, bounds);
  try {
    const outcome = await start({ type, bytes: EMPTY, ref, digest, tookMs: Date.now() - began });
    bodies.drop(ref);
    return outcome;
  } catch (err) {
    // Without an outcome the call may still run, and its agent needs the body.
    if (err instanceof MeshError && err.status !== undefined) {
      bodies.drop(ref);
    }
    throw err;
  }
}

/**
 * The errors of a mount.
 */
import { MeshError } from '../agent/index.js';

const MAX_CHARS = 500;

/** `mount_failed`: the mounted server could not be used, and why. */
export function mountFailed(why: string, cause?: unknown): MeshError {
  const short = why.length > MAX_CHARS ? `${why.slice(0, MAX_CHARS)}…` : why;
  return new MeshError(
    'mount_failed',
    `the mounted server could not be used: ${short}`,
    { why: short },
    undefined,
    cause,
  );
}

/** `usage`: what was asked of the mount cannot be done. */
export function usage(why: string): MeshError {
  return new MeshError('usage', why, { why });
}

/** What a thrown value says; a failed fetch keeps its reason in its cause. */
export function wordsOf(err: unknown): string {
  if (!(err instanceof Error)) {
    return String(err);
  }
  const cause = err instanceof TypeError && err.cause instanceof Error ? err.cause.message : '';
  return cause === '' ? err.message : `${err.message}: ${cause}`;
}

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

/** What a thrown value says. */
export function wordsOf(err: unknown): string {
  return err instanceof Error ? err.message : String(err);
}

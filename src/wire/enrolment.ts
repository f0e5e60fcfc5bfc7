/**
 * Enrolment tokens: what they look like, and how they are known without being kept.
 */
import { createHash } from 'node:crypto';

/** What every enrolment token begins with. */
export const enrolPrefix = 'mesh-enrol-';

/** The digest under which a token is known; the token itself is nowhere kept. */
export function enrolDigest(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

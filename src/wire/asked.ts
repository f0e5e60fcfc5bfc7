import { createHash } from 'node:crypto';

/**
 * Digest of a question to an interceptor (SHA-256, base64url): the header `Mesh-Check`, which names the question, and
 * the body. An answer that carries it is an answer to that question.
 */
export function askedDigest(check: string, body: Uint8Array): string {
  return createHash('sha256').update(check).update(body).digest('base64url');
}

import { hash } from 'node:crypto';

const NUL = Buffer.from([0]);

/**
 * Digest of capability and body (SHA-256, base64url): what "the same bytes" means for a call. `bodyDigest` stands for
 * the bytes of a body that comes by reference, so that it may be uploaded again for a retry.
 */
export function callDigest(capability: string, body: Uint8Array, bodyDigest?: string): string {
  const content = bodyDigest === undefined ? body : Buffer.from(`by reference ${bodyDigest}`);
  return hash('sha256', Buffer.concat([Buffer.from(capability), NUL, content]), 'base64url');
}

/** SHA-256 of bytes, base64url: the digest of a large body. */
export function bytesDigest(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'base64url');
}

import { hash } from 'node:crypto';

const NUL = Buffer.from([0]);

/** Digest of capability and body (SHA-256, base64url): what "the same bytes" means for a call. */
export function callDigest(capability: string, body: Uint8Array): string {
  const bytes = Buffer.concat([Buffer.from(capability), NUL, body]);
  return hash('sha256', bytes, 'base64url');
}

/**
 * What a certificate says of its holder. The server has verified it; here it is only read.
 */
import { X509Certificate } from 'node:crypto';
import type { CertificateFacts } from '../../domain/identity-certificates.js';

/** A certificate as the rules look at it, and when it ends. */
export interface ReadCertificate extends CertificateFacts {
  readonly untilMs: number;
}

/** Read a certificate in PEM; `undefined` when it is none. */
export function readPem(pem: string): ReadCertificate | undefined {
  try {
    const certificate = new X509Certificate(pem);
    return {
      uris: urisOf(certificate.subjectAltName ?? ''),
      // Node lists the parts one per line, least specific first, with separators inside a part escaped.
      subject: certificate.subject.split('\n').toReversed().join(','),
      untilMs: Date.parse(certificate.validTo),
    };
  } catch {
    return undefined;
  }
}

/** Entries whose text holds a separator are quoted by Node as JSON; no name of ours needs one, so they are left out. */
function urisOf(text: string): string[] {
  return text
    .split(', ')
    .filter((entry) => entry.startsWith('URI:') && !entry.includes('"'))
    .map((entry) => entry.slice('URI:'.length));
}

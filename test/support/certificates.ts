/**
 * A certificate authority of a test, made with the command `openssl`.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Is the command there? */
export function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** A certificate with its key, as files. */
export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
}

/** Makes certificates in a folder. */
export class Authority {
  readonly caFile: string;
  readonly #dir: string;
  readonly #key: string;

  constructor(dir: string, name: string) {
    this.#dir = dir;
    mkdirSync(dir, { recursive: true });
    this.caFile = join(dir, `${name}.pem`);
    this.#key = join(dir, `${name}.key`);
    const subject = ['-subj', `/CN=${name}`, '-days', '2', '-nodes'];
    openssl('req', '-x509', ...CURVE, ...subject, '-keyout', this.#key, '-out', this.caFile);
  }

  /** Issue a certificate for a subject (`/O=mesh/CN=x`) and alternative names (`URI:…`, `IP:…`). */
  issue(file: string, subject: string, alternative: string): Certificate {
    const [certFile, keyFile] = [join(this.#dir, `${file}.pem`), join(this.#dir, `${file}.key`)];
    const [request, extensions] = [join(this.#dir, `${file}.csr`), join(this.#dir, `${file}.ext`)];
    writeFileSync(extensions, `subjectAltName=${alternative}\n`);
    openssl('req', '-new', ...CURVE, '-nodes', '-subj', subject, '-keyout', keyFile, '-out', request);
    const by = ['-CA', this.caFile, '-CAkey', this.#key, '-CAcreateserial', '-days', '1'];
    openssl('x509', '-req', '-in', request, ...by, '-extfile', extensions, '-out', certFile);
    return { certFile, keyFile };
  }
}

const CURVE = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: 'ignore' });
}

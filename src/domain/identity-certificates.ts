/**
 * From a certificate to a name and a role of the mesh: by a URI of its subject alternative name (as SPIFFE has it), or
 * by its subject.
 */
import { isFree } from './identity-claims.js';
import type { Reader } from './identity-reader.js';
import { isSessionRole, type Identified, type SessionRole } from '../wire/session-role.js';

/** A pattern and the role it gives; `{name}` stands for the name. */
export interface CertificateRule {
  readonly of: 'uri' | 'subject';
  /** What stands before the name, and after it. */
  readonly before: string;
  readonly after: string;
  readonly role: SessionRole;
}

/** What a verified certificate says of its holder. `subject` is written as `CN=…,OU=…`, most specific first. */
export interface CertificateFacts {
  readonly uris: readonly string[];
  readonly subject: string;
}

const NAME = '{name}';

/** Read one entry of `certificates`. Throws `config_invalid`. */
export function readCertificate(one: Reader): CertificateRule {
  one.only(['uri', 'subject', 'role']);
  const of = one.value('uri') === undefined ? 'subject' : 'uri';
  const parts = one.text(of).split(NAME);
  if (of === 'uri' && one.value('subject') !== undefined) {
    one.refuse('/subject', 'an entry has a uri or a subject, not both');
  }
  const [before = '', after = ''] = parts;
  if (parts.length !== 2 || before === '') {
    one.refuse(`/${of}`, `it must hold ${NAME} once, behind something that stands for your mesh`);
  }
  const role = one.text('role');
  return isSessionRole(role)
    ? { of, before, after, role }
    : one.refuse('/role', 'it must be caller, agent or viewer');
}

/** Who the certificate stands for: the first rule that fits. */
export function identifyCertificate(
  rules: readonly CertificateRule[],
  facts: CertificateFacts,
): Identified | undefined {
  for (const rule of rules) {
    for (const value of rule.of === 'uri' ? facts.uris : [facts.subject]) {
      const name = nameIn(rule, value);
      if (name !== undefined) {
        return { name, role: rule.role };
      }
    }
  }
  return undefined;
}

/** The grammar of names has no separator of either form, so what matches is one part of the value. */
function nameIn({ before, after }: CertificateRule, value: string): string | undefined {
  const fits =
    value.startsWith(before) && value.endsWith(after) && value.length > before.length + after.length;
  const name = value.slice(before.length, value.length - after.length);
  return fits && isFree(name) ? name : undefined;
}

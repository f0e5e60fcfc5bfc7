/**
 * The one list of checks: what a gateway refuses to start with, and what `mesh doctor` shows beside it. Each is a pure
 * function of what was seen.
 */
import { acceptable } from './acceptable.js';
import type { Facts } from './facts.js';
import type { Finding, Said } from './finding.js';
import { forbidden, rendered, rights } from './rights.js';
import { binaryVersion, doors, flush, serverVersion, strangers, tls, VERSION_WANT } from './server.js';
import { files, identity, invitations, policy, streams } from './stored.js';

/** One check. */
export interface Check {
  /** Stable: scripts and `--accept` name it. */
  readonly id: string;
  readonly what: string;
  readonly want: string;
  readonly judge: (facts: Facts) => readonly Said[];
}

/** All of them, in the order of a report. */
export const checks: readonly Check[] = [
  { id: 'server-binary', what: 'server binary', want: VERSION_WANT, judge: binaryVersion },
  { id: 'server-version', what: 'server', want: VERSION_WANT, judge: serverVersion },
  { id: 'strangers', what: 'strangers', want: 'refused', judge: strangers },
  { id: 'tls', what: 'on the wire', want: 'TLS, or loopback', judge: tls },
  { id: 'rights', what: 'rights', want: 'as generated', judge: rights },
  { id: 'forbidden', what: 'forbidden', want: 'refused by the server', judge: forbidden },
  { id: 'rendered', what: 'users', want: 'as generated', judge: rendered },
  { id: 'streams', what: 'streams', want: 'as the table says', judge: streams },
  { id: 'policy', what: 'policy', want: 'one that names who may do what', judge: policy },
  { id: 'files', what: 'file modes', want: 'folders 0700, secrets 0600', judge: files },
  { id: 'identity', what: 'identity', want: 'at least 2 that answer', judge: identity },
  { id: 'enrolment', what: 'enrolment tokens', want: 'an end within a week', judge: invitations },
  { id: 'flush', what: 'flush to disk', want: 'always, where a power loss must lose nothing', judge: flush },
  { id: 'doors', what: 'doors', want: 'closed, or few and small', judge: doors },
];

const known: ReadonlySet<string> = new Set(acceptable);

/** Judge what was seen. What the operator accepts is a warning that says so. */
export function judge(facts: Facts, accept: readonly string[] = []): Finding[] {
  return checks.flatMap((check) =>
    check.judge(facts).map((said) => {
      const { id, what, want } = check;
      const fine = said.state === 'fine';
      const accepted = said.state === 'refuse' && known.has(id) && accept.includes(id);
      return {
        id,
        what: said.what ?? what,
        state: accepted ? 'warn' : said.state,
        found: said.found,
        want,
        fix: fine ? '' : (said.fix ?? ''),
        ...(accepted ? { accepted } : {}),
      };
    }),
  );
}

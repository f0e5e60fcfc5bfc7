/**
 * Findings about what runs: nothing is weak there, but something is missing.
 */
import type { Finding } from '../../domain/weakness/finding.js';

/** A finding that is fine when `ok`, else to be mended. */
export function mend(
  id: string,
  what: string,
  ok: boolean,
  found: string,
  want: string,
  fix: string,
): Finding {
  return { id, what, state: ok ? 'fine' : 'mend', found, want, fix: ok ? '' : fix };
}

/**
 * What a check of `mesh doctor` reports.
 */

/** One line of the report. `warn` works, but not for production. */
export interface Finding {
  readonly what: string;
  readonly state: 'fine' | 'warn' | 'mend';
  readonly found: string;
  readonly want: string;
  /** What to do; empty when it is fine. */
  readonly fix: string;
}

/** A finding that is fine when `ok`, else to be mended. */
export function finding(what: string, ok: boolean, found: string, want: string, fix: string): Finding {
  return { what, state: ok ? 'fine' : 'mend', found, want, fix: ok ? '' : fix };
}

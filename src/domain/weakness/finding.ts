/**
 * What a check reports: found, want, fix.
 */

/**
 * `warn` works, but not for production. With `refuse` no gateway starts. `mend`: something does not run, or not as it
 * should, and nobody is harmed by it.
 */
export type State = 'fine' | 'warn' | 'refuse' | 'mend';

/** One line of a report. */
export interface Finding {
  /** Of the check: stable, for scripts and for `--accept`. */
  readonly id: string;
  /** What was looked at. */
  readonly what: string;
  readonly state: State;
  readonly found: string;
  readonly want: string;
  /** What to do; empty when it is fine. */
  readonly fix: string;
  /** It would refuse, and the operator said to go on with it. */
  readonly accepted?: true;
}

/** What a check says of one thing it looked at. */
export interface Said {
  readonly what?: string;
  readonly state: State;
  readonly found: string;
  readonly fix?: string;
}

/** A finding as one sentence. */
export function sentenceOf({ id, what, found, want, fix }: Finding): string {
  return `${id}: ${what}: found ${found}; want ${want}; fix: ${fix}`;
}

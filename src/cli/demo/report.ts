/**
 * The report that the agents of the demo make.
 */

/** What was found out about one document. */
export interface DocumentFacts {
  readonly path: string;
  readonly title: string;
  readonly headings: number;
  readonly words: number;
}

/** The result of docs.report. */
export interface Report {
  readonly documents: readonly DocumentFacts[];
  /** Whether it could be written beside the documents. */
  readonly saved: boolean;
}

/**
 * What becomes of a task.
 */

/** A result on its way: body and header block (empty: none). */
export interface TaskResult {
  readonly body: Uint8Array;
  readonly headers: string;
  /** Why it failed, or was cancelled. */
  readonly failed?: string;
}

/**
 * A failure that may not be the end: its call is tried again, and the failure stands as its outcome when nothing comes
 * of that. It is kept in memory only: the agent repeats it to any gateway until the call is settled.
 */
import type { ErrorBody } from '../wire/generated/messages.js';
import type { Core } from './core.js';
import type { Failed, OpenCall } from './open.js';
import type { Settler } from './settle.js';

/** The failure that is the outcome if there is no further attempt: nothing that may have run came after it. */
export function lastFailure(call: OpenCall): Failed | undefined {
  const { failed, seq, undispatched } = call;
  return failed !== undefined && (failed.seq === seq || undispatched) ? failed : undefined;
}

/** Is there no further attempt, because its time is over or nobody wants it any more? */
export function isOver(call: OpenCall, nowMs: number): boolean {
  const failed = lastFailure(call);
  return failed !== undefined && (call.cancelled || nowMs >= failed.untilMs);
}

/** There is no further attempt: the failure is the outcome. */
export function endFailed(core: Core, settler: Settler, call: OpenCall): void {
  const failed = lastFailure(call);
  if (failed === undefined) {
    return;
  }
  if (failed.seq !== call.seq) {
    core.breakers.untook(call.record); // a decision that came after it, and was not dispatched
  }
  call.answeredSeq = failed.seq;
  call.dispatchedMs = performance.now() - failed.workMs; // nobody worked while it waited
  settler.fail(call, 'failed', withAttempts(failed.error, call), failed.used);
}

/** The failure as the caller sees it: with how often it was tried, if more than once. */
export function withAttempts(error: ErrorBody, { record: { dispatches = 1 } }: OpenCall): ErrorBody {
  return dispatches < 2 ? error : { ...error, details: { ...error.details, attempts: dispatches } };
}

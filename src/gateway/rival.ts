/**
 * Two agents at one call: the newest attempt, and an earlier one that goes on beside it. The first answer counts; the
 * other one is told to stop.
 */
import { rawHeaders } from '../fabric/raw.js';
import { encodeHeaders, header } from '../wire/headers.js';
import { subject } from '../wire/generated/subjects.js';
import type { Token } from '../wire/names.js';
import type { Core } from './core.js';
import { observeLost } from './observed.js';
import { decisionOf, effectKey, releaseRival, type OpenCall } from './open.js';

/** Does an earlier attempt go on beside the newest one, or instead of it? */
export function hasRival(call: OpenCall): boolean {
  return call.rival?.holder !== undefined;
}

/** The earlier attempt will probably not be answered either. */
export function rivalLost(core: Core, call: OpenCall): void {
  if (call.rival !== undefined && releaseRival(call)) {
    observeLost(core, call, call.rival.seq);
  }
}

/** The instance of the earlier attempt says that it did not start: that was no dispatch. */
export function rivalUnstarted(call: OpenCall): void {
  if (releaseRival(call)) {
    call.record.dispatches = Math.max(1, (call.record.dispatches ?? 2) - 1);
  }
}

/** The outcome is there: whoever works on it still is told to stop. */
export function stopRivals(core: Core, call: OpenCall): void {
  const { rival, seq, answeredSeq, undispatched, told } = call;
  if (rival === undefined) {
    return;
  }
  if (releaseRival(call) && rival.seq !== answeredSeq) {
    tellStop(core, call, decisionOf(call, rival.seq).agent);
  }
  if (seq !== answeredSeq && !undispatched && told?.has(seq) !== true) {
    tellStop(core, call, call.record.agent);
  }
}

/** Tell this agent that nobody waits for the call any more. */
export function tellStop(core: Core, call: OpenCall, agent: string): void {
  const to = subject.stop({ agent: agent as Token, call: call.record.call as Token });
  const headers = encodeHeaders([
    [header.call, call.record.call],
    [header.key, effectKey(call)],
  ]);
  core.nc.publish(to, '', { headers: rawHeaders(headers) });
}

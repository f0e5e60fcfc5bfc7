/**
 * What a gateway sees of its agents: how each attempt that was dispatched here ended, told once. Breakers, statistics
 * and whoever else learns from it hear nothing but this: no word of an agent or a caller about another one.
 */
import type { DecisionRecord, OutcomeRecord } from '../wire/generated/messages.js';
import { decisionOf, type OpenCall } from './open.js';

/**
 * How an attempt ended: `completed` and `failed` are the agent's own answers (`failed` also when its result breaks its
 * contract), `lost` is silence, `stopped` says nothing about the agent (cancelled, withheld by a review, revoked).
 */
export type AttemptResult = 'completed' | 'failed' | 'lost' | 'stopped';

/** One attempt that ended. */
export interface Observed {
  /** The decision behind it. */
  readonly decision: DecisionRecord;
  readonly result: AttemptResult;
  /** Missing when the call goes on with another attempt. */
  readonly outcome?: OutcomeRecord;
  /** From dispatch to its end, in milliseconds; 0 when it was dispatched by another gateway. */
  readonly workMs: number;
}

/** Hears how attempts ended. Synchronous, on the path of a call: note it and return. */
export type Observer = (seen: Observed) => void;

interface Observing {
  readonly observers: ReadonlySet<Observer>;
}

/** The outcome of a call is durable: tell how its last attempt ended. */
export function observeOutcome(core: Observing, call: OpenCall, outcome: OutcomeRecord): void {
  if (core.observers.size === 0 || call.record.verdict !== 'allow' || outcome.attempt === 0) {
    return;
  }
  const { answeredSeq = call.seq } = call;
  if (answeredSeq !== call.seq && !call.undispatched) {
    tell(core, call, call.seq, 'stopped'); // an earlier one answered, and nobody waits for it any more
  }
  if (call.rival !== undefined && call.rival.seq !== answeredSeq) {
    tell(core, call, call.rival.seq, 'stopped');
  }
  tell(core, call, answeredSeq, resultOf(outcome), outcome);
}

/** An attempt was given up and the call goes on. */
export function observeLost(core: Observing, call: OpenCall, seq = call.seq): void {
  observeEnd(core, call, seq, 'lost');
}

/** An attempt failed and the call goes on. */
export function observeFailed(core: Observing, call: OpenCall, seq = call.seq): void {
  observeEnd(core, call, seq, 'failed');
}

function observeEnd(core: Observing, call: OpenCall, seq: number, result: AttemptResult): void {
  if (core.observers.size > 0) {
    tell(core, call, seq, result);
    (call.told ??= new Set()).add(seq);
  }
}

function tell(
  core: Observing,
  call: OpenCall,
  seq: number,
  result: AttemptResult,
  outcome?: OutcomeRecord,
): void {
  if (call.told?.has(seq) === true) {
    return; // it was lost, or failed, and with it the call
  }
  const sinceMs = dispatchedMsOf(call, seq);
  const workMs = sinceMs > 0 ? performance.now() - sinceMs : 0;
  const decision = decisionOf(call, seq);
  const seen = { decision, result, workMs, ...(outcome === undefined ? {} : { outcome }) };
  for (const observer of core.observers) {
    observer(seen);
  }
}

function dispatchedMsOf({ seq: newest, dispatchedMs, rival }: OpenCall, seq: number): number {
  return seq === newest ? dispatchedMs : seq === rival?.seq ? rival.dispatchedMs : 0;
}

function resultOf({ status, code }: OutcomeRecord): AttemptResult {
  switch (status) {
    case 'completed':
      return 'completed';
    case 'failed':
      return code === 'output_withheld' ? 'stopped' : 'failed';
    case 'unknown':
      return 'lost';
    default:
      return 'stopped';
  }
}

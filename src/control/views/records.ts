/**
 * The records of calls as views read them, and what they say together about where a call stands.
 */
import type { Stored } from '../../fabric/reader.js';
import type { DecisionRecord, OutcomeRecord, ParkedRecord } from '../../wire/generated/messages.js';
import { header } from '../../wire/headers.js';
import { limits } from '../../wire/limits.js';
import { birthOf, isCallId } from '../../wire/ulid.js';
import type { CallState } from './pages.js';

/** A decision and where it lies. */
export interface Decided {
  readonly seq: number;
  readonly record: DecisionRecord;
  /** When the server stored it (epoch ms). */
  readonly storedAt?: number | undefined;
}

/** The decision in a stored message. Only gateways can write there, so it is trusted. */
export function decisionIn(m: Stored): Decided | undefined {
  const text = m.headers.get(header.record);
  return text === undefined
    ? undefined
    : { seq: m.seq, record: JSON.parse(text) as DecisionRecord, storedAt: m.storedAt };
}

/** The outcome in a stored message. */
export function outcomeIn(m: Stored): OutcomeRecord | undefined {
  const text = m.headers.get(header.outcome);
  return text === undefined ? undefined : (JSON.parse(text) as OutcomeRecord);
}

/** The parked call in a stored message. */
export function parkedIn(m: Stored): ParkedRecord | undefined {
  const text = m.headers.get(header.record);
  return text === undefined ? undefined : (JSON.parse(text) as ParkedRecord);
}

/** Identity of a call. */
export function keyOf({ from, call }: { readonly from: string; readonly call: string }): string {
  return `${from}.${call}`;
}

/** Where a decided call stands. */
export function stateOf(
  record: DecisionRecord,
  outcome: OutcomeRecord | undefined,
  nowMs: number,
): CallState {
  if (outcome !== undefined) {
    return outcome.status;
  }
  if (record.verdict === 'refuse') {
    return record.status ?? 'refused';
  }
  // The register keeps an outcome exactly this long.
  const keptUntil = (record.expires ?? record.deadline + limits.lifeMs) + limits.graceMs;
  return nowMs > keptUntil ? 'forgotten' : 'running';
}

/** When the call was made, by its caller's clock. */
export function bornAt(call: string): number | undefined {
  return isCallId(call) ? birthOf(call) : undefined;
}

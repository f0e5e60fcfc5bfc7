/**
 * What a caller makes of an outcome, and of a call that could not be sent.
 */
import { callDigest } from '../wire/digest.js';
import { asMeshError, fromBody, type MeshError } from '../wire/errors.js';
import type { OutcomeRecord } from '../wire/generated/messages.js';
import type { Outcome } from './options.js';
import type { Pending } from './pending.js';

/** A completed outcome. */
export function outcomeOf(record: OutcomeRecord, value: unknown): Outcome<unknown> {
  const { call, agent = '', attempt, seq } = record;
  return { value, call, agent, attempt, seq };
}

/** What tells two calls of one id apart. */
export function digestOf(p: Pending): string {
  return callDigest(p.capability, p.body, p.bodyDigest);
}

/** The error that an outcome is. */
export function outcomeError(record: OutcomeRecord, body: Uint8Array): MeshError {
  const error = fromBody(JSON.parse(Buffer.from(body).toString() || '{}'));
  error.status = record.status;
  error.call = record.call;
  return error;
}

/** The error of a call whose large body could not be sent, or of the call itself. */
export function unsent(err: unknown, call: string): MeshError {
  const error = asMeshError(err, 'a large body');
  error.call ??= call;
  return error;
}

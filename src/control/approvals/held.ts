/**
 * Held calls as they lie in PARKED.
 */
import { getLast, type Stored } from '../../fabric/reader.js';
import { approvalDigest, heldCall, type HeldCall, type Voters } from '../../domain/approvals.js';
import { meshError } from '../../wire/errors.js';
import { subject } from '../../wire/generated/subjects.js';
import type { ParkedRecord } from '../../wire/generated/messages.js';
import { asToken, type Token } from '../../wire/names.js';
import type { Control } from '../core.js';
import { parkedIn } from '../views/records.js';

/** A held call, with the digest of what is approved. */
export interface Held {
  readonly seq: number;
  readonly record: ParkedRecord;
  readonly held: HeldCall;
  readonly digest: string;
  /** Missing where only headers were read. */
  readonly body: Uint8Array;
}

/** The held call in a stored message. */
export function heldIn(m: Stored): Held | undefined {
  const record = parkedIn(m);
  const held = record === undefined ? undefined : heldCall(record);
  return record === undefined || held === undefined
    ? undefined
    : { seq: m.seq, record, held, digest: approvalDigest(held), body: m.body };
}

/** The call, if it still waits for approval. Throws not_found, name_invalid. */
export async function findHeld(control: Control, from: string, call: string): Promise<Held> {
  const address = { why: 'approval' as Token, from: asToken(from, 'from'), call: asToken(call, 'call') };
  const stored = await getLast(control.nc, 'PARKED', subject.parked(address));
  const held = stored === undefined ? undefined : heldIn(stored);
  if (held === undefined) {
    throw meshError('not_found', { what: 'the held call', name: `${from}.${call}` });
  }
  return held;
}

/** Who may vote, by the policy and the cards of now. */
export function votersOf(control: Control): Voters {
  return {
    rolesOf: (member) => control.policy.rolesOf(member),
    isAgent: (member) => control.registry.agent(member as Token) !== undefined,
  };
}

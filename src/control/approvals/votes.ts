/**
 * Votes in VOTES: written once, sealed, before they count for anything; read again by whoever counts them.
 */
import { getLast, scan, tail } from '../../fabric/reader.js';
import { openVote, sealVote, type Vote } from '../../domain/vote.js';
import { meshError } from '../../wire/errors.js';
import { ingress, parse, subject } from '../../wire/generated/subjects.js';
import { encodeHeaders, header } from '../../wire/headers.js';
import { limits } from '../../wire/limits.js';
import type { Token } from '../../wire/names.js';
import type { Control } from '../core.js';

/**
 * Make a vote durable; it is kept until `untilMs` and a little longer. The same approver cannot vote on the same
 * digest again. Throws approval_voted, storage_full, unavailable.
 */
export async function castVote(control: Control, vote: Vote, untilMs: number): Promise<void> {
  const { from, call, digest, by } = vote;
  const address = { from: from as Token, call: call as Token, digest: digest as Token, by };
  const sealed = sealVote(control.ring, vote);
  const ttl = Math.max(1, Math.ceil((untilMs - Date.now() + limits.graceMs) / 1000));
  const headers = encodeHeaders([[header.ttl, ttl]]);
  const to = ingress.vote(control.ingress, address);
  let why = '';
  for (let tries = 0; tries < limits.publishTries; tries++) {
    const ack = await control.pub.publishAsync(to, Buffer.from(sealed), headers);
    switch (ack.kind) {
      case 'stored':
      case 'duplicate':
        return;
      case 'occupied':
        return await mine(control, subject.vote(address), sealed);
      case 'retry':
        why = ack.text;
        break;
      case 'refused':
        throw meshError('unavailable', { waitedMs: 0, why: ack.text });
    }
  }
  throw meshError('unavailable', { waitedMs: limits.publishTries * limits.ackTimeoutMs, why });
}

/** Something stands there: this very vote, whose acknowledgement was lost, or an earlier one; or the stream is full. */
async function mine(control: Control, at: string, sealed: string): Promise<void> {
  const stored = await getLast(control.nc, 'VOTES', at);
  if (stored === undefined) {
    throw meshError('storage_full', { stream: 'VOTES' });
  }
  const text = Buffer.from(stored.body).toString();
  if (text !== sealed) {
    const { by = '', call = '', from = '', vote = '' } = openVote(control.ring, text) ?? {};
    throw meshError('approval_voted', { who: by, name: `${from}.${call}`, vote });
  }
}

/** The sealed votes on one digest of a call, or, without it, of every held call. */
export async function readVotes(
  control: Control,
  on?: { readonly from: string; readonly call: string; readonly digest: string },
): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  const filter = on === undefined ? 'mesh.v1.vote.>' : `mesh.v1.vote.${on.from}.${on.call}.${on.digest}.*`;
  await scan(control.nc, 'VOTES', { filter, maxMessages: limits.viewScan }, (m) => {
    const at = parse.vote(m.subject);
    if (at !== undefined) {
      const key = `${at.from}.${at.call}`;
      found.set(key, [...(found.get(key) ?? []), Buffer.from(m.body).toString()]);
    }
    return undefined;
  });
  return found;
}

/** Follow all votes, from the first that is kept. Returns how to stop. */
export function followVotes(
  control: Control,
  onVote: (key: string, sealed: string) => void,
): Promise<() => void> {
  return tail(control.nc, 'VOTES', (m) => {
    const at = parse.vote(m.subject);
    if (at !== undefined) {
      onVote(`${at.from}.${at.call}`, Buffer.from(m.body).toString());
    }
  });
}

/**
 * Tickets and the macs behind them.
 *
 * A ticket says what a task was given: it rides in the task's headers and the agent attaches it to child calls.
 * One HMAC-SHA256 over the ticket's bytes yields two independent halves: the ticket's own mac, and the mac in the
 * result subject. Both can be made again from the decision record, so gateways keep nothing that must survive.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { DecisionRecord, Ticket } from '../wire/generated/messages.js';
import { meshError } from '../wire/errors.js';
import type { KeyRing } from '../wire/keyring.js';

/** A ticket with its mac, and the mac of the result subject (32 hex digits). */
export interface SealedTicket {
  readonly text: string;
  readonly resultMac: string;
}

/** Seal the ticket of a stored decision. The same record gives the same bytes, on any gateway. */
export function sealTicket(ring: KeyRing, record: DecisionRecord, seq: number): SealedTicket {
  const kid = record.kid ?? ring.current;
  const ticket: Ticket = {
    kid,
    epoch: ring.epoch,
    seq,
    agent: record.agent,
    from: record.from,
    call: record.call,
    attempt: record.attempt,
    deadline: record.deadline,
    root: record.root,
    chain: record.chain,
  };
  if (record.expires !== undefined) {
    ticket.expires = record.expires;
  }
  if (record.context !== undefined) {
    ticket.context = record.context;
  }
  if (record.labels !== undefined) {
    ticket.labels = record.labels;
  }
  const { envelopes = [], own } = record.budget ?? {};
  if (own !== undefined || envelopes.length > 0) {
    ticket.envelopes = own === undefined ? envelopes : [...envelopes, own];
  }
  if (record.priority !== undefined) {
    ticket.priority = record.priority;
  }
  for (const grant of record.grants ?? []) {
    if (grant.digest === undefined) {
      (ticket.grants ??= []).push(grant);
    } else {
      (ticket.introduced ??= []).push({ at: grant.at, digest: grant.digest });
    }
  }
  const payload = JSON.stringify(ticket);
  const mac = macOf(ring, kid, payload);
  return { text: `${payload}.${mac.slice(0, 32)}`, resultMac: mac.slice(32) };
}

/** Open a ticket. Throws ticket_invalid; the caller checks who holds it and its deadline. */
export function openTicket(ring: KeyRing, text: string): Ticket {
  const dot = text.lastIndexOf('.');
  const ticket = dot > 0 ? parse(text.slice(0, dot)) : undefined;
  if (ticket === undefined) {
    throw meshError('ticket_invalid', { why: 'it is not a ticket' });
  }
  if (!ring.keys.has(ticket.kid) || ticket.epoch !== ring.epoch) {
    throw meshError('ticket_invalid', { why: 'it is from another time or mesh' });
  }
  const want = macOf(ring, ticket.kid, text.slice(0, dot)).slice(0, 32);
  if (!sameMac(want, text.slice(dot + 1))) {
    throw meshError('ticket_invalid', { why: 'the mac is wrong' });
  }
  return ticket;
}

/** Task token of an instance: unguessable, and the same on every gateway. */
export function taskToken(ring: KeyRing, agent: string, instance: string): string {
  const key = ring.keys.get(ring.current) ?? Buffer.alloc(0);
  return createHmac('sha256', key).update(`token\n${agent}\n${instance}`).digest('hex').slice(0, 32);
}

/** Compare two macs in constant time. */
export function sameMac(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}

function macOf(ring: KeyRing, kid: string, payload: string): string {
  return createHmac('sha256', ring.keys.get(kid) ?? Buffer.alloc(0))
    .update(payload)
    .digest('hex');
}

/** Only a ticket we sealed is ever used; this guards the parse, the mac guards the content. */
function parse(json: string): Ticket | undefined {
  try {
    const value = JSON.parse(json) as Ticket | null;
    return typeof value === 'object' && value !== null && typeof value.kid === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * In which lane a call queues before the chain has looked at it. What a call says of itself is not proven yet: a claim
 * that would put it before others is looked at here, any other one only harms itself.
 */
import { header, type HeaderBlock } from '../../wire/headers.js';
import type { KeyRing } from '../../wire/keyring.js';
import { isPriority, type Priority } from '../../wire/priority.js';
import type { Policy } from '../policy.js';
import { openTicket } from '../ticket.js';

/** By what it is judged: who may be critical, and the keys of tickets. */
interface Judges {
  readonly policy: Pick<Policy, 'traffic'>;
  readonly ring: KeyRing;
}

/** Where a ticket names a priority; most name none. */
const NAMED = /"priority":"([a-z]+)"/;

/** The priority by which a call queues. */
export function laneOf(judges: Judges, from: string, headers: Pick<HeaderBlock, 'get'>): Priority {
  const ticket = headers.get(header.ticket);
  const claim = headers.get(header.priority) ?? (ticket === undefined ? undefined : NAMED.exec(ticket)?.[1]);
  const most = judges.policy.traffic.priorityOf(from);
  if (claim === undefined || !isPriority(claim)) {
    return most === 'experimental' && ticket === undefined ? most : 'normal';
  }
  if (claim !== 'critical' || most === 'critical') {
    return claim === 'normal' && most === 'experimental' && ticket === undefined ? most : claim;
  }
  return ticket !== undefined && isCritical(judges, from, ticket) ? claim : 'normal';
}

function isCritical({ ring }: Judges, from: string, text: string): boolean {
  try {
    const { agent, priority } = openTicket(ring, text);
    return agent === from && priority === 'critical';
  } catch {
    return false; // the chain says why
  }
}

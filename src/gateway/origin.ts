/**
 * Where a call came from, and what to do for its sender once the mesh has taken it over durably.
 */

/** The sender's side of one call. */
export interface Origin {
  readonly kind: 'call' | 'ask' | 'parked' | 'replay';
  /** Inbox of an ask that waits for the outcome. */
  readonly reply: string | undefined;
  /** The decision, parked record or refusal is durable: the gateway need not keep the sender's message any more. */
  durable(): void;
  /** It could not be made durable: the message is left to come back. */
  undone(): void;
  /** Nobody is free for it, after it was reviewed; missing: it waits here, or `undone`. */
  held?(): void;
  /** It waits for reviewing agents: told at once, and again and again until it is durable or undone. */
  waits?(): void;
}

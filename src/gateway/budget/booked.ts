/**
 * What an open call has reserved.
 */
import type { Reservation } from '../../domain/budget/reservation.js';
import type { DecisionRecord } from '../../wire/generated/messages.js';

/** What one decision of this gateway has reserved. */
export interface Booked {
  /** 0 until it is durable. */
  seq: number;
  readonly budget: NonNullable<DecisionRecord['budget']>;
  readonly reservation: Reservation;
}

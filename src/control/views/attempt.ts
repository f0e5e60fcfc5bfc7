/**
 * One decision of a call, as views tell it.
 */
import type { DecisionRecord } from '../../wire/generated/messages.js';

/** One decision of a call. */
export interface AttemptRow {
  readonly attempt: number;
  readonly seq: number;
  readonly gateway: string;
  readonly agent: string;
  readonly instance?: string;
  /** When it was decided, by the gateway's clock. */
  readonly at: number;
  /** When the decision was durable, by the server's clock. */
  readonly storedAt?: number;
  /** Why this agent, where more than the load was looked at. */
  readonly routed?: NonNullable<DecisionRecord['routed']>;
}

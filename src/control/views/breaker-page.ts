/**
 * What the view of breakers answers.
 */
import type { BreakerRecord } from '../../domain/care/breaker.js';
import type { IdleFallback } from '../../domain/care/fallbacks.js';
import type { Page } from './pages.js';

/** One breaker that is not simply closed. */
export interface BreakerRow {
  readonly agent: string;
  readonly capability: string;
  /** Only for calls that this agent makes, or for trees of this principal; neither: for all. */
  readonly from?: string;
  readonly principal?: string;
  readonly state: BreakerRecord['state'];
  /** How often it opened in a row. */
  readonly opens: number;
  /** When it changed last, in epoch ms, and by which gateway or operator. */
  readonly at: number;
  readonly by: string;
  readonly why?: BreakerRecord['why'];
  readonly forced?: BreakerRecord['forced'];
}

/** View `breakers`. */
export interface BreakersPage extends Page {
  readonly breakers: readonly BreakerRow[];
  /** Fallbacks of the policy that are never used, as the cards say; missing: there are none. */
  readonly idleFallbacks?: readonly IdleFallback[];
}

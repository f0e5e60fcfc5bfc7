/**
 * What the view of the traffic answers.
 */
import type { Unit } from '../../domain/budget/amounts.js';
import type { Level } from '../../domain/budget/thresholds.js';
import type { Priority } from '../../wire/priority.js';
import type { BudgetRow } from '../budgets/pages.js';
import type { BreakerRow } from './breaker-page.js';
import type { Page } from './pages.js';

/** Who had what done by whom, and how it went. */
export interface TrafficRow {
  readonly from: string;
  readonly capability: string;
  /** Missing where nobody got it: it was refused, or expired. */
  readonly agent?: string;
  readonly calls: number;
  readonly running: number;
  /** `failed` and `unknown`. */
  readonly errors: number;
  /** `refused`, `expired` and `cancelled`. */
  readonly refused: number;
  /** From decision to outcome, of those that have one, in ms. */
  readonly p50Ms?: number;
  readonly p95Ms?: number;
  readonly maxMs?: number;
}

/** One agent beside the traffic. */
export interface BusyRow {
  readonly agent: string;
  readonly instances: number;
  readonly inFlight: number;
  readonly concurrency: number;
  /** Calls it was given in the time that was looked at. */
  readonly calls: number;
}

/** Calls of one capability and priority that wait. */
export interface WaitRow {
  readonly capability: string;
  readonly priority: Priority;
  /** In gateways: for their turn before the chain. */
  readonly turns: number;
  /** In gateways: for capacity, or for their rate or budget. */
  readonly held: number;
  /** Durably, for capacity or their rate. */
  readonly parked: number;
  /** Durably, for people. */
  readonly approval: number;
  /** For how long the oldest has waited where it is (ms). */
  readonly oldestMs: number;
}

/** A budget, and how near it is to its limit. */
export interface NearRow extends BudgetRow {
  /** The unit that it has least left of. */
  readonly unit: Unit;
  /** So much of that is spent, debt included, rounded down. */
  readonly percent: number;
  /** `closed` by debt, or the gravest threshold that was reached. */
  readonly state: 'open' | 'closed' | Level;
}

/** View `traffic`: the newest calls, counted. `truncated`: it reaches back less far than was asked. */
export interface TrafficPage extends Page {
  /** The time that was looked at, in epoch ms. */
  readonly sinceAt: number;
  readonly untilAt: number;
  readonly calls: number;
  readonly rows: readonly TrafficRow[];
  readonly agents: readonly BusyRow[];
  readonly queues: {
    /** In CALLS: accepted, not decided. */
    readonly accepted: number;
    readonly parked: number;
    /** Open with gateways. */
    readonly open: number;
    /** Waiting in gateways for capacity. */
    readonly waiting: number;
  };
  readonly gateways: number;
  /** What waits, the longest queue first. */
  readonly waits: readonly WaitRow[];
  /** Budgets of which something is spent, the one nearest to its limit first; those of trees are not among them. */
  readonly budgets: readonly NearRow[];
  /** Breakers that are not simply closed. */
  readonly breakers: readonly BreakerRow[];
}

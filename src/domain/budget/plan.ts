/**
 * The plan of budgets, compiled from a policy: what a call reserves, in which nodes, and what it is charged.
 * Immutable but for its caches; the clock and what was set at run time are arguments.
 */
import type { Amounts } from './amounts.js';

/** What happens at which percent of a limit. */
export interface Thresholds {
  /** It is said once a window. */
  readonly warn?: number;
  /** From here calls wait for one of the approvers. */
  readonly hold?: number;
  /** From here calls are refused. */
  readonly halt: number;
  /** From here nothing is sent to the agent. */
  readonly quarantine?: number;
  /** Roles whose members may let a held call pass. */
  readonly approvers?: readonly string[];
}

/** Where a call reserves: one window of one budget, or the envelope of a tree. */
export interface BudgetNode {
  /** Tokens with dots: `principal.alice.day.20261121`, `tree.{from}.{call}`. */
  readonly key: string;
  /** The same without its window: `principal.alice.day`. A limit that is set at run time is set for this. */
  readonly standing: string;
  readonly limit: Amounts;
  /** The first instant that is not part of it, in epoch ms. */
  readonly endsMs: number;
  readonly thresholds: Thresholds;
}

/** What the calls below a call may spend together. The ticket names it; what is left of it stands in the ledger only. */
export interface Envelope {
  readonly key: string;
  readonly limit: Amounts;
  /** When the life of the call that opened it is over, in epoch ms. */
  readonly endsMs: number;
}

/** How usage is known: a meter measured it, a meter says that it was not more, or an agent says so. */
export type KnownBy = 'measured' | 'bounded' | 'reported';

/** What a call was charged, and how that is known; `reserved`: nobody knows, and it is what was reserved. */
export interface Charged {
  readonly amounts: Amounts;
  readonly by: KnownBy | 'reserved';
}

/** What the plan needs to know of a call. */
export interface BudgetFacts {
  readonly from: string;
  readonly call: string;
  readonly agent: string;
  /** Root of the chain of calls. */
  readonly principal: string;
  readonly capability: string;
  /** It begins a tree: it came without a ticket. */
  readonly root: boolean;
  /** The price on the card of the agent that would do it; 0: none. */
  readonly costMicros: number;
  /** When the life of the call is over, in epoch ms. */
  readonly expiresMs: number;
  /** What its caller allows for it and everything below it (`Mesh-Budget`). */
  readonly allowed?: Amounts | undefined;
  /** The envelopes that its ticket names. */
  readonly envelopes?: readonly Envelope[] | undefined;
}

/** Limits that were set at run time, by the `standing` of nodes. */
export interface SetLimits {
  /** Another number whenever one of them changed. */
  readonly version: number;
  get(standing: string): Amounts | undefined;
}

/** The plan. */
export interface BudgetPlan {
  /** What the call reserves. Never more than any cap on one call, than its root's budget, and than its caller allows. */
  reserveOf(facts: BudgetFacts, set?: SetLimits): Amounts;
  /** Where it reserves: agent, principal, teams, capability, then the envelopes above it. */
  nodesOf(facts: BudgetFacts, nowMs: number, set?: SetLimits): readonly BudgetNode[];
  /** The envelope that it opens for the calls below it, of which its own reserve is taken; undefined: none. */
  envelopeOf(facts: BudgetFacts, reserve: Amounts, set?: SetLimits): Envelope | undefined;
  /**
   * What it is charged for: `usage` is what the agent's result says it used, `workMs` what the gateway measured
   * (undefined: nothing is known of it).
   */
  chargeOf(
    facts: ChargeFacts,
    usage: Readonly<Record<string, number>> | undefined,
    workMs: number | undefined,
    known: KnownBy,
  ): Charged;
  /** Does any budget of the policy make this node? Then a limit can be set for it. */
  limitOf(standing: string): Amounts | undefined;
}

/** What is charged by. */
export interface ChargeFacts {
  readonly capability: string;
  readonly costMicros: number;
  /** What the call reserved. */
  readonly reserve: Amounts;
  /** The model that was used, where the agent says so. */
  readonly model?: string | undefined;
}

/**
 * The books: what was accepted against what came of it, and the effects against the calls that made them.
 */
import type { Ledger, LedgerCall } from './ledger.js';

/** One line of the effect file. */
export interface Effect {
  readonly key: string;
  readonly capability: string;
  readonly pid: number;
}

/** The books of a run. */
export interface Books {
  /** Distinct calls that were decided. */
  readonly accepted: number;
  /** Calls that have an outcome. */
  readonly outcomes: number;
  readonly completed: number;
  readonly refused: number;
  /** Outcomes that are neither. */
  readonly other: number;
  /** Completed after more than one dispatch. */
  readonly recovered: number;
  /** Decided without an outcome, or left undecided. */
  readonly lost: number;
  /** Calls with two outcomes, and keys with two effects. */
  readonly doubled: number;
  readonly effects: number;
  /** Effects without a completed call, and completed calls of agents that write effects without one. */
  readonly unmatched: number;
  readonly balanced: boolean;
}

/** Capabilities whose agents write one effect for each completed call. */
const WRITES_EFFECTS = 'docs.';

/** Close the books. */
export function balance(ledger: Ledger, effects: readonly Effect[]): Books {
  const calls = [...ledger.calls.values()];
  const ended = calls.flatMap((call) => call.outcomes.slice(0, 1));
  const keys = new Set(effects.map(({ key }) => key));
  const books = {
    accepted: calls.filter((call) => call.decisions.length > 0).length,
    outcomes: ended.length,
    completed: ended.filter(({ status }) => status === 'completed').length,
    refused: ended.filter(({ status }) => status === 'refused').length,
    other: ended.filter(({ status }) => status !== 'completed' && status !== 'refused').length,
    recovered: calls.filter(isRecovered).length,
    lost: calls.filter(isOpen).length + ledger.waiting,
    doubled: calls.filter((call) => call.outcomes.length > 1).length + (effects.length - keys.size),
    effects: effects.length,
    unmatched: unmatched(calls, keys),
  };
  const balanced =
    books.accepted === books.outcomes && books.lost === 0 && books.doubled === 0 && books.unmatched === 0;
  return { ...books, balanced };
}

/** Decided, and nothing came of it yet. */
export function isOpen(call: LedgerCall): boolean {
  return call.outcomes.length === 0;
}

/** Dispatched more than once, and completed. */
export function isRecovered({ decisions, outcomes }: LedgerCall): boolean {
  const dispatches = Math.max(0, ...decisions.map((decision) => decision.dispatches ?? decision.attempt));
  const outcome = outcomes[0];
  return outcome?.status === 'completed' && outcome.attempt >= 2 && dispatches >= 2;
}

function unmatched(calls: readonly LedgerCall[], keys: ReadonlySet<string>): number {
  const made = calls
    .filter(({ outcomes: [outcome] }) => outcome?.status === 'completed')
    .filter(({ outcomes: [outcome] }) => outcome?.capability.startsWith(WRITES_EFFECTS))
    .map(({ id }) => id);
  const known = new Set(made);
  return made.filter((id) => !keys.has(id)).length + [...keys].filter((key) => !known.has(key)).length;
}

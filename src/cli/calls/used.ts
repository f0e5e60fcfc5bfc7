/**
 * What a call used, and how that is known: no number of an agent is shown as if somebody had measured it.
 */
import type { CallNode, OutcomeRow } from '../../control/views/pages.js';
import type { Used } from '../../wire/usage.js';
import { safe } from '../output.js';

/** The usage of an outcome, under its own name; for `--json`. */
export function usedBy(outcome: Used | undefined): Used {
  const { reported, measured, bounded } = outcome ?? {};
  return {
    ...(reported === undefined ? {} : { reported }),
    ...(measured === undefined ? {} : { measured }),
    ...(bounded === undefined ? {} : { bounded }),
  };
}

/** One line about a call that says what it used; none where nothing is known. */
export function usedWords({ capability, outcome }: CallNode): string[] {
  const { reported, measured, bounded } = usedBy(outcome);
  const name = safe(capability);
  if (measured !== undefined) {
    return [`${name} used ${amounts(measured)} (measured)`];
  }
  if (bounded !== undefined) {
    return [`${name} used at most ${amounts(bounded)} (nobody measured it)`];
  }
  return reported === undefined ? [] : [`${name} used ${amounts(reported)} (reported by ${agent(outcome)})`];
}

function amounts(usage: Readonly<Record<string, number>>): string {
  const all = Object.entries(usage).map(([unit, amount]) => `${amount} ${safe(unit)}`);
  return all.length === 0 ? 'nothing' : all.join(', ');
}

function agent(outcome: OutcomeRow | undefined): string {
  return safe(outcome?.agent ?? 'its agent');
}

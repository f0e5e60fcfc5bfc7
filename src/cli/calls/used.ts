/**
 * What a call used and was charged, and how that is known: no number of an agent is shown as if somebody had measured it.
 */
import type { CallNode, OutcomeRow } from '../../control/views/pages.js';
import { amountsText } from '../budget/rows.js';
import { safe } from '../output.js';

type UsedRow = Pick<OutcomeRow, 'reported' | 'measured' | 'bounded' | 'charged'>;

/** The usage of an outcome under its own name, and the charge; for `--json`. */
export function usedBy(outcome: UsedRow | undefined): UsedRow {
  const { reported, measured, bounded, charged } = outcome ?? {};
  return {
    ...(reported === undefined ? {} : { reported }),
    ...(measured === undefined ? {} : { measured }),
    ...(bounded === undefined ? {} : { bounded }),
    ...(charged === undefined ? {} : { charged }),
  };
}

/** Lines about a call that say what it used, reserved and was charged; none where nothing is known. */
export function usedWords({ capability, reserved, outcome }: CallNode): string[] {
  const name = safe(capability);
  const used = usageWords(outcome);
  const charged = outcome?.charged;
  const money = [
    ...(reserved === undefined ? [] : [`reserved ${amountsText(reserved)}`]),
    ...(charged === undefined ? [] : [`was charged ${amountsText(charged.amounts)} (${charged.by})`]),
  ];
  return [
    ...(used === undefined ? [] : [`${name} used ${used}`]),
    ...(money.length === 0 ? [] : [`${name} ${money.join(', ')}`]),
  ];
}

function usageWords(outcome: OutcomeRow | undefined): string | undefined {
  const { reported, measured, bounded } = outcome ?? {};
  if (measured !== undefined) {
    return `${amounts(measured)} (measured)`;
  }
  if (bounded !== undefined) {
    return `at most ${amounts(bounded)} (nobody measured it)`;
  }
  const by = safe(outcome?.agent ?? 'its agent');
  return reported === undefined ? undefined : `${amounts(reported)} (reported by ${by})`;
}

function amounts(usage: object): string {
  const all = Object.entries(usage).map(([unit, amount]) => `${String(amount)} ${safe(unit)}`);
  return all.length === 0 ? 'nothing' : all.join(', ');
}

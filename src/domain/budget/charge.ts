/**
 * What a call is charged that ran: what is known of its usage, and its reservation for what is not. Never less because
 * something was said that is no amount.
 */
import { isAmount, UNITS, type Amounts, type Unit } from './amounts.js';
import type { Charged, ChargeFacts, KnownBy } from './plan.js';

type Usage = Readonly<Record<string, number>>;

/**
 * The charge of one call. Money: as the usage says (`micros`), else the price on the card, else what was reserved.
 * Tokens: as the usage says, else what was reserved. Compute: what the gateway measured, rounded up.
 */
export function chargeOf(
  { costMicros, reserve }: ChargeFacts,
  usage: Usage | undefined,
  workMs: number | undefined,
  known: KnownBy,
): Charged {
  const said = (unit: Unit): number | undefined => {
    const amount = usage !== undefined && Object.hasOwn(usage, unit) ? usage[unit] : undefined;
    return isAmount(amount) ? amount : undefined;
  };
  const told: Amounts = { micros: said('micros'), tokens: said('tokens') } as Amounts;
  const isTold = told.micros !== undefined || told.tokens !== undefined;
  const worked = workMs === undefined ? undefined : Math.ceil(workMs);
  const amounts: Record<Unit, number | undefined> = {
    micros: told.micros ?? (costMicros > 0 ? costMicros : reserve.micros),
    tokens: told.tokens ?? reserve.tokens,
    computeMs: isAmount(worked) ? worked : reserve.computeMs,
  };
  const entries = UNITS.flatMap((unit) => (amounts[unit] === undefined ? [] : [[unit, amounts[unit]]]));
  return {
    amounts: Object.fromEntries(entries) as Amounts,
    by: isTold ? known : 'reserved',
  };
}

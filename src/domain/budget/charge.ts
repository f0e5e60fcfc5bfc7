/**
 * What a call is charged that ran: what is known of its usage, and its reservation for what is not. Never less because
 * something was said that is no amount.
 */
import type { Usage } from '../../wire/usage.js';
import { isAmount, smaller, UNITS, type Amounts, type Unit } from './amounts.js';
import type { Charged, ChargeFacts, KnownBy } from './plan.js';
import { priceOf, tokensOf, type UnitPrices } from './price.js';

/**
 * The charge of one call. Money: as the usage says (`micros`), else what it costs by the prices of its model, else the
 * price on the card, else what was reserved. Tokens: as the usage says, else what was reserved. Compute: what the gateway
 * measured, rounded up. A usage that is only a bound says what was not passed: it counts for no more than was reserved.
 */
export function chargeOf(
  { costMicros, reserve }: ChargeFacts,
  usage: Usage | undefined,
  workMs: number | undefined,
  known: KnownBy,
  prices?: UnitPrices,
): Charged {
  const said = (unit: Unit): number | undefined => {
    const amount = usage !== undefined && Object.hasOwn(usage, unit) ? usage[unit] : undefined;
    return isAmount(amount) ? amount : undefined;
  };
  const told = {
    micros: said('micros') ?? costBy(usage, known === 'measured' ? (prices ?? {}) : prices),
    tokens: said('tokens') ?? (usage === undefined ? undefined : tokensOf(usage)),
  };
  const isTold = told.micros !== undefined || told.tokens !== undefined;
  const worked = workMs === undefined ? undefined : Math.ceil(workMs);
  const amounts: Record<Unit, number | undefined> = {
    micros: told.micros ?? (costMicros > 0 ? costMicros : reserve.micros),
    tokens: told.tokens ?? reserve.tokens,
    computeMs: isAmount(worked) ? worked : reserve.computeMs,
  };
  const entries = UNITS.flatMap((unit) => (amounts[unit] === undefined ? [] : [[unit, amounts[unit]]]));
  const charged = Object.fromEntries(entries) as Amounts;
  const least = (): Amounts => smaller(moneyOf(charged, reserve), moneyOf(reserve, charged));
  return {
    amounts: known === 'bounded' ? { ...charged, ...least() } : charged,
    by: isTold ? known : 'reserved',
  };
}

/** What it costs; undefined where a unit of it has no price. What was measured as nothing costs nothing. */
function costBy(usage: Usage | undefined, prices: UnitPrices | undefined): number | undefined {
  if (usage === undefined || prices === undefined) {
    return undefined;
  }
  const priced = priceOf(usage, prices);
  return 'micros' in priced ? priced.micros : undefined;
}

/** Micros and tokens, as far as the other one names them too. */
function moneyOf({ micros, tokens }: Amounts, other: Amounts): Amounts {
  return {
    ...(micros === undefined || other.micros === undefined ? {} : { micros }),
    ...(tokens === undefined || other.tokens === undefined ? {} : { tokens }),
  };
}

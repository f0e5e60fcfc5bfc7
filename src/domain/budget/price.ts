/**
 * What a usage costs, by the prices of its model: exact, in whole micro-dollars, rounded up once. What has no price
 * has no cost either: that is said, and never taken for free.
 */
import type { Usage } from '../../wire/usage.js';

/** Micro-dollars for a million of a unit, by unit. Whole amounts from 0 to 2^53−1. */
export type UnitPrices = Readonly<Record<string, number>>;

/** The cost, or the unit that has none. */
export type Priced = { readonly micros: number } | { readonly unpriced: string };

/** Units that are counted inside of another one; without a price of their own they cost what that one costs. */
const PART_OF: Readonly<Record<string, string>> = {
  cachedTokens: 'promptTokens',
  reasoningTokens: 'completionTokens',
};
/** The units of which `tokens` is the sum. */
const SUMMED = ['promptTokens', 'completionTokens'];
const MILLION = 1_000_000n;

/** The cost of a usage. */
export function priceOf(usage: Usage, prices: UnitPrices): Priced {
  let sum = 0n;
  for (const [unit, amount] of Object.entries(ownAmounts(usage, prices))) {
    const price = Object.hasOwn(prices, unit) ? prices[unit] : undefined;
    if (amount > 0 && !isWhole(price)) {
      return { unpriced: unit };
    }
    if (!isWhole(amount)) {
      return { unpriced: unit }; // a part that is larger than what it is part of
    }
    sum += BigInt(amount) * BigInt(price ?? 0);
  }
  const micros = Number((sum + MILLION - 1n) / MILLION);
  return Number.isSafeInteger(micros) ? { micros } : { unpriced: 'micros' };
}

/** The units of tokens that a row of prices leaves out though it prices others of them. */
export function missingUnits(prices: UnitPrices): string[] {
  const names = [...SUMMED, ...Object.keys(PART_OF)];
  const tokens = names.some((unit) => Object.hasOwn(prices, unit));
  return tokens ? SUMMED.filter((unit) => !Object.hasOwn(prices, unit)) : [];
}

/** What is counted under each unit alone: parts with a price of their own are taken out of their whole. */
function ownAmounts(usage: Usage, prices: UnitPrices): Usage {
  const { micros: _, ...own }: Record<string, number> = usage;
  if (SUMMED.some((unit) => Object.hasOwn(own, unit))) {
    delete own['tokens'];
  }
  for (const [part, whole] of Object.entries(PART_OF)) {
    const amount = own[part];
    if (amount === undefined || !Object.hasOwn(own, whole)) {
      continue;
    }
    if (Object.hasOwn(prices, part)) {
      own[whole] = (own[whole] ?? 0) - amount;
    } else {
      delete own[part];
    }
  }
  return own;
}

function isWhole(value: number | undefined): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

/**
 * Prices of models by unit of usage, as the policy lists them.
 */
import { limits } from '../../wire/limits.js';
import type { pricesShape } from '../config/budget-shape.js';
import type { ValueOf } from '../config/shape.js';
import type { Report } from '../rules/compile.js';
import { missingUnits, type UnitPrices } from './price.js';
import { coversName } from './teams.js';
import { readAmount } from './written.js';

/** `prices` as it is written: for each model and unit what a million of it costs. */
export type PriceSource = ValueOf<typeof pricesShape>;

/** Prices by pattern of the model, the first that fits counts. */
export type Prices = readonly (readonly [model: string, prices: UnitPrices])[];

/** Read a table of prices; says what is wrong with it. */
export function compilePrices(source: PriceSource, report: Report): Prices {
  const models = Object.keys(source);
  if (models.length > limits.budgetPrices) {
    report('prices', `there are ${models.length} models, allowed are ${limits.budgetPrices}`);
    return [];
  }
  return models.map((model, i) => {
    const at = `prices.${model}`;
    const earlier = models.slice(0, i).find((other) => coversName(other, model));
    if (earlier !== undefined) {
      report(at, `${earlier} stands above it and fits too, and the first that fits counts`);
    }
    return [model, unitsAt(source[model] ?? {}, at, report)];
  });
}

function unitsAt(source: Readonly<Record<string, string>>, at: string, report: Report): UnitPrices {
  if (Object.keys(source).length === 0) {
    report(at, 'name what at least one unit costs');
  }
  const prices = Object.entries(source).map(([unit, text]): [string, number] => {
    const price = readAmount('micros', text);
    if (price === undefined) {
      report(`${at}.${unit}`, 'it must be at most 2^53−1');
    }
    return [unit, price ?? 0];
  });
  const row = Object.fromEntries(prices);
  for (const unit of missingUnits(row)) {
    report(`${at}.${unit}`, 'tokens are counted in both directions: say what these cost too');
  }
  return row;
}

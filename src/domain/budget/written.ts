/**
 * Amounts as people write them: whole numbers, `1_000_000`, and for micros also dollars (`5.00 USD`). Only what is
 * exact is an amount.
 */
import { meshError } from '../../wire/errors.js';
import type { Text } from '../config/shape.js';
import { isUnit, UNITS, type Amounts, type Unit } from './amounts.js';

const DOLLARS = /^(\d[\d_]{0,20})(?:\.(\d{1,6}))? ?USD$/;
const DIGITS = /^\d{1,3}(?:_\d{3})*$|^\d{1,16}$/;

/** Whole units. */
export const wholeAmount: Text = {
  is: 'text',
  expected: 'a whole number from 0 to 2^53−1 (1_000_000 is one too)',
  pattern: DIGITS,
  digits: Number.MAX_SAFE_INTEGER,
};

/** Millionths of a US dollar. */
export const money: Text = {
  is: 'text',
  expected: 'a whole number of millionths of a US dollar from 0 to 2^53−1, or dollars such as 5.00 USD',
  pattern: new RegExp(`${DIGITS.source}|${DOLLARS.source}`),
  digits: Number.MAX_SAFE_INTEGER,
};

/** An amount as it is written; undefined when it is none, or passes 2^53−1. `USD` counts for micros only. */
export function readAmount(unit: Unit, text: string): number | undefined {
  const [, whole, cents = ''] = DOLLARS.exec(text) ?? [];
  const plain =
    whole === undefined ? (DIGITS.test(text) ? text : undefined) : `${whole}${cents.padEnd(6, '0')}`;
  if (plain === undefined || (whole !== undefined && unit !== 'micros')) {
    return undefined;
  }
  const value = Number(plain.replaceAll('_', ''));
  return Number.isSafeInteger(value) ? value : undefined;
}

/**
 * `micros=5000,tokens=2000`, as the header Mesh-Budget and the command line carry amounts. Throws header_invalid, whose
 * name is `where`.
 */
export function readAmounts(text: string, where: string): Amounts {
  const amounts: { -readonly [U in Unit]?: number } = {};
  for (const pair of text.split(',')) {
    const cut = pair.indexOf('=');
    const unit = pair.slice(0, Math.max(0, cut)).trim();
    if (!isUnit(unit)) {
      const why = `it is a list of unit=amount with commas, as in micros=0.05USD,tokens=2000; the units are ${UNITS.join(', ')}`;
      throw meshError('header_invalid', { name: where, why });
    }
    const amount = readAmount(unit, pair.slice(cut + 1).trim());
    if (amount === undefined || amounts[unit] !== undefined) {
      const why = amount === undefined ? 'is no whole number from 0 to 2^53−1' : 'stands twice';
      throw meshError('header_invalid', { name: where, why: `${unit} ${why}` });
    }
    amounts[unit] = amount;
  }
  return amounts;
}

/** The form that `readAmounts` reads. */
export function writeAmounts(amounts: Amounts): string {
  return UNITS.flatMap((unit) => (amounts[unit] === undefined ? [] : [`${unit}=${amounts[unit]}`])).join(',');
}

/** An amount for people: `5.00 USD`, `1_000_000 tokens`, `1500 ms`. */
export function shownAmount(unit: Unit, amount: number): string {
  if (unit === 'micros') {
    const digits = String(amount).padStart(7, '0');
    const cents = digits.slice(-6).replace(/0{1,4}$/, '');
    return `${grouped(digits.slice(0, -6))}.${cents} USD`;
  }
  return `${grouped(String(amount))} ${unit === 'tokens' ? 'tokens' : 'ms'}`;
}

function grouped(digits: string): string {
  return digits.replace(/\B(?=(?:\d{3})+$)/g, '_');
}

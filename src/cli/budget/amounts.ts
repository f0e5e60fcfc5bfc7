/**
 * Amounts on the command line.
 */
import { InvalidArgumentError } from 'commander';
import type { Amounts } from '../../domain/budget/amounts.js';
import { readAmounts } from '../../domain/budget/written.js';
import { MeshError } from '../../wire/errors.js';

/** `micros=5.00USD,tokens=2_000`. Throws InvalidArgumentError. */
export function amountsOption(text: string): Amounts {
  try {
    return readAmounts(text, 'it');
  } catch (err) {
    const why = err instanceof MeshError ? String(err.details['why']) : String(err);
    throw new InvalidArgumentError(`${why}.`);
  }
}

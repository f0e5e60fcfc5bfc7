/**
 * How many traces are sampled.
 */
import { meshError } from '../wire/errors.js';

/** Share of the traces that begin in the mesh, unless told otherwise. */
export const RATIO_DEFAULT = 0.1;

/** Read a ratio from 0 to 1. Nothing means the default. Throws usage. */
export function readRatio(text: string | undefined): number {
  if (text === undefined || text.trim() === '') {
    return RATIO_DEFAULT;
  }
  const ratio = Number(text);
  if (!(ratio >= 0 && ratio <= 1)) {
    throw meshError('usage', { why: `"${text}" is no ratio of traces: give a number from 0 to 1` });
  }
  return ratio;
}

/**
 * What a policy can say about circles: `loops`.
 */
import { limits } from '../../wire/limits.js';
import type { Field, Keys, Names, Text, Whole } from './shape.js';

const loop = {
  is: 'keys',
  fields: {
    depth: field(
      { is: 'whole', min: 1, max: limits.chainDepth },
      'Calls in a chain at most.',
      limits.chainDepth,
    ),
    repeats: field(
      { is: 'whole', min: 1, max: limits.chainDepth },
      'How often the capability may stand in its own chain.',
      limits.chainRepeats,
    ),
    same: field(
      { is: 'whole', min: 1, max: 1_000_000 },
      'How often the same request (capability and body) may be made in one tree of calls.',
      limits.treeRepeats,
    ),
    idle: field(
      { is: 'whole', min: 1, max: 1_000_000 },
      'Calls of a tree that may end in a row without a result that is new to it.',
      limits.treeIdle,
    ),
  },
} as const satisfies Keys;

/** Bounds by pattern of the capability that is called. */
export function loopsShape(pattern: Text): Field<Names<typeof loop>> {
  return {
    shape: { is: 'names', key: pattern, of: loop },
    what: 'When a tree of calls is stopped because it goes in circles, by capability; the first pattern that fits counts.',
  };
}

function field(shape: Whole, what: string, fallback: number): Field<Whole> {
  return { shape, what: `${what} Default: ${fallback}.`, fallback };
}

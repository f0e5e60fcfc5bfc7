import { meshError } from '../../wire/errors.js';
import { limits } from '../../wire/limits.js';
import type { Guard } from '../verdict.js';

/**
 * Decides whether the chain of calls goes in a circle or too deep.
 *
 * - Refuses with: depth_exceeded, loop_detected.
 * - Needs: ticket.
 */
export const loop: Guard = {
  name: 'loop',
  check(draft) {
    // The first entry of a chain is the root principal, the others are agent/capability.
    const depth = draft.chain.length;
    if (depth > limits.chainDepth) {
      throw meshError('depth_exceeded', { depth, max: limits.chainDepth });
    }
    if (depth > limits.chainRepeats) {
      const times = draft.chain.filter((entry) => entry.slice(entry.indexOf('/') + 1) === draft.what).length;
      if (times >= limits.chainRepeats) {
        throw meshError('loop_detected', { capability: draft.what, times });
      }
    }
    return undefined;
  },
};

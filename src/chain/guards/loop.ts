import { meshError } from '../../wire/errors.js';
import type { Guard } from '../verdict.js';

/**
 * Decides whether the chain of calls goes in a circle or too deep.
 *
 * - Refuses with: depth_exceeded, loop_detected.
 * - Needs: ticket.
 */
export const loop: Guard = {
  name: 'loop',
  check({ chain, what }, { policy }) {
    // The first entry of a chain is the root principal, the others are agent/capability.
    const bounds = policy.loops.of(what);
    const depth = chain.length;
    if (depth > bounds.depth) {
      throw meshError('depth_exceeded', { depth, max: bounds.depth });
    }
    if (depth > bounds.repeats) {
      const times = chain.filter((entry) => isOf(entry, what)).length;
      if (times >= bounds.repeats) {
        const first = chain.findIndex((entry) => isOf(entry, what));
        const circle = [...chain.slice(first), what].join(' > ');
        throw meshError('loop_detected', { capability: what, times, max: bounds.repeats, circle });
      }
    }
    return undefined;
  },
};

function isOf(entry: string, capability: string): boolean {
  return entry.endsWith(capability) && entry[entry.length - capability.length - 1] === '/';
}

import { takerOf } from '../../domain/takes.js';
import type { Guard, Verdict } from '../verdict.js';

const CAPACITY: Verdict = { verdict: 'hold', why: 'capacity' };

/**
 * Decides who does it: a live instance with free concurrency, of an agent that takes such a body.
 *
 * - Holds for capacity when nobody is free.
 * - Needs: resolve.
 * - Proves: instance (a candidate; nothing is given to it yet).
 */
export const route: Guard = {
  name: 'route',
  check(draft, world) {
    const entry = draft.entry;
    if (entry !== undefined) {
      const suits = takerOf(entry, { type: draft.type, byRef: draft.ref !== undefined });
      draft.instance = world.router.choose(entry, draft.nowMs, undefined, suits);
    }
    return draft.instance === undefined ? CAPACITY : undefined;
  },
};

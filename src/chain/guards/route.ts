import type { Guard, Hold } from '../verdict.js';

const CAPACITY: Hold = { verdict: 'hold', why: 'capacity' };

/**
 * Decides who does it: a live instance with free concurrency.
 *
 * - Holds for capacity when nobody is free.
 * - Needs: resolve.
 * - Proves: instance (a candidate; nothing is given to it yet).
 */
export const route: Guard = {
  name: 'route',
  check(draft, world) {
    const entry = draft.entry;
    draft.instance = entry === undefined ? undefined : world.router.choose(entry, draft.nowMs);
    return draft.instance === undefined ? CAPACITY : undefined;
  },
};

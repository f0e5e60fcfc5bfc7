import type { Instance } from '../../domain/roster.js';
import { takerOf } from '../../domain/takes.js';
import { roomAt } from '../room-at.js';
import type { Guard, Verdict } from '../verdict.js';

const CAPACITY: Verdict = { verdict: 'hold', why: 'capacity' };

/**
 * Decides who does it: a live instance with free concurrency, of an agent that takes such a body. A call that was
 * approved, or that reviewing agents were asked about, goes to the agent that this is for, or waits. A review goes to
 * nobody who has a part in what is reviewed.
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
      const takes = takerOf(entry, { type: draft.type, byRef: draft.ref !== undefined });
      const only = draft.approved?.agent ?? draft.answers?.agent;
      const not = draft.review?.not;
      const suits =
        only === undefined && not === undefined
          ? takes
          : (one: Instance) =>
              (only === undefined || one.agent === only) &&
              not?.includes(one.agent) !== true &&
              (takes?.(one) ?? true);
      const room = roomAt(draft, world);
      const fits = room === undefined ? suits : (one: Instance) => (suits?.(one) ?? true) && room(one);
      draft.instance = world.router.choose(entry, draft.nowMs, undefined, fits);
    }
    return draft.instance === undefined ? CAPACITY : undefined;
  },
};

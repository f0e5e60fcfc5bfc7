import type { Instance } from '../../domain/roster.js';
import { takerOf } from '../../domain/takes.js';
import { inService, refuseAllOut } from '../quarantine.js';
import type { Guard, Verdict } from '../verdict.js';

const CAPACITY: Verdict = { verdict: 'hold', why: 'capacity' };

/**
 * Decides who does it: a live instance with free concurrency, of an agent that takes such a body. A call that was
 * approved, or that reviewing agents were asked about, goes to the agent that this is for, or waits. A review goes to
 * nobody who has a part in what is reviewed.
 *
 * - Holds for capacity when nobody is free.
 * - Refuses with: budget_quarantined.
 * - Needs: resolve.
 * - Proves: instance (a candidate; nothing is given to it yet).
 */
export const route: Guard = {
  name: 'route',
  check(draft, world) {
    const entry = draft.entry;
    if (entry !== undefined) {
      const body = { type: draft.type, byRef: draft.ref !== undefined };
      refuseAllOut(world.budget?.orders, entry, draft.nowMs);
      const takes = inService(world.budget?.orders, draft.nowMs, takerOf(entry, body));
      const only = draft.approved?.agent ?? draft.answers?.agent;
      const not = draft.review?.not;
      const suits =
        only === undefined && not === undefined
          ? takes
          : (one: Instance) =>
              (only === undefined || one.agent === only) &&
              not?.includes(one.agent) !== true &&
              (takes?.(one) ?? true);
      draft.instance = world.router.choose(entry, draft.nowMs, undefined, suits);
    }
    return draft.instance === undefined ? CAPACITY : undefined;
  },
};

import { hasAll } from '../../domain/routing/candidates.js';
import { refuseWish } from '../../domain/routing/wish.js';
import type { Instance } from '../../domain/roster.js';
import { meshError } from '../../wire/errors.js';
import { takerOf } from '../../domain/takes.js';
import { behindOf, lookWith, withoutAgents } from '../breaking.js';
import { inService, refuseAllOut } from '../quarantine.js';
import type { Entry } from '../../domain/registry.js';
import type { Wish } from '../../domain/routing/wish.js';
import { roomAt } from '../room-at.js';
import type { Chosen } from '../../domain/routing/chosen.js';
import type { Draft, World } from '../draft.js';
import type { Guard, Verdict } from '../verdict.js';

const CAPACITY: Verdict = { verdict: 'hold', why: 'capacity' };

/**
 * Decides who does it: a live instance with free concurrency, of an agent that takes such a body. A call that was
 * approved, or that reviewing agents were asked about, goes to the agent that this is for, or waits. A review goes to
 * nobody who has a part in what is reviewed. Which of them it is, the route of the policy says, and the wish of the call
 * within it.
 *
 * - Refuses with: budget_quarantined, route_denied, route_unmet, breaker_open (all agents are out, and there is no
 *   fallback).
 * - Holds for capacity when nobody is free.
 * - Needs: resolve.
 * - Proves: instance (a candidate; nothing is given to it yet), and routed, which says why.
 */
export const route: Guard = {
  name: 'route',
  check(draft, world) {
    const entry = draft.entry;
    if (entry !== undefined) {
      const { orders } = world.budget ?? {};
      const body = { type: draft.type, byRef: draft.ref !== undefined };
      refuseAllOut(orders, entry, draft.nowMs);
      const takes = inService(orders, draft.nowMs, takerOf(entry, body));
      const { wish } = draft;
      if (wish !== undefined) {
        refuseWish(world.policy.routingOf(entry.name), wish, entry.name);
      }
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
      const look = lookWith(world.breakers, entry.name, behindOf(draft.who, draft.root), fits);
      const chosen = choose(draft, entry, world, look?.suits ?? fits);
      draft.instance = chosen?.instance;
      draft.routed = chosen?.routed;
      if (chosen === undefined && wish !== undefined && !canBeMet(entry, wish)) {
        const wanted = wish.where.map(([name, value]) => `${name}=${value}`).join(', ');
        throw meshError('route_unmet', { capability: entry.name, wanted });
      }
      const out = chosen === undefined ? look?.out(world.router.instances(entry)) : undefined;
      if (out !== undefined && only === undefined && not === undefined) {
        return withoutAgents(draft, world, out);
      }
    }
    return draft.instance === undefined ? CAPACITY : undefined;
  },
};

/** Whoever it was meant for before is asked first; else whom the route says. */
function choose(
  { meant, nowMs, wish, labels }: Draft,
  entry: Entry,
  { router }: World,
  suits: ((one: Instance) => boolean) | undefined,
): Chosen | undefined {
  const how = { suits, wish, labels };
  const same = meant === undefined ? undefined : router.route(entry, nowMs, { ...how, agent: meant });
  return same ?? router.route(entry, nowMs, how);
}

/** Has anybody that offers it all attributes that the call asks for, alive or not? */
function canBeMet({ offers }: Entry, { where }: Wish): boolean {
  return where.length === 0 || [...offers.values()].some((offer) => hasAll(offer, where));
}

/**
 * Agents that their budget has put out: nothing is sent to them until their window ends or somebody lifts it.
 */
import type { Orders } from '../domain/budget/orders.js';
import type { Entry } from '../domain/registry.js';
import type { Instance } from '../domain/roster.js';
import { meshError } from '../wire/errors.js';

/** Says who may get it. */
type Suits = ((instance: Instance) => boolean) | undefined;

/** What orders say of agents. */
type Out = Pick<Orders, 'any' | 'outUntil'> | undefined;

/** The same, without agents that were put out. */
export function inService(orders: Out, nowMs: number, suits: Suits): Suits {
  return orders?.any === true
    ? (instance) => orders.outUntil(instance.agent, nowMs) === undefined && (suits?.(instance) ?? true)
    : suits;
}

/** Throws budget_quarantined when everybody who offers it was put out. */
export function refuseAllOut(orders: Out, { name, offers }: Entry, nowMs: number): void {
  if (orders?.any !== true) {
    return;
  }
  const out = [...offers.keys()].flatMap((agent) => orders.outUntil(agent, nowMs) ?? []);
  const [first] = out;
  if (first !== undefined && out.length === offers.size) {
    const until = Math.min(...out.map((one) => one.until));
    throw meshError('budget_quarantined', {
      ...{ capability: name, agent: first.agent, node: first.node, until: new Date(until).toISOString() },
      retryAfterMs: Math.max(0, until - nowMs),
    });
  }
}

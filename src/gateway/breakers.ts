/**
 * The breakers of a gateway: fed with how attempts ended that it saw itself, shared with the other gateways through a
 * bucket.
 */
import type { BreakerRecord } from '../domain/care/breaker.js';
import { Breakers } from '../domain/care/breakers.js';
import { putBreaker, watchBreakers } from '../fabric/breaker-store.js';
import { limits } from '../wire/limits.js';
import type { Core } from './core.js';
import type { Observer } from './observed.js';

/** Not the agent's failing: what the caller sent could not be had. */
const INNOCENT = new Set(['body_missing', 'body_changed']);

/** Breakers that nobody has heard of yet. */
export function makeBreakers(name: string, core: () => Core): Breakers {
  return new Breakers(name, {
    now: () => performance.now(),
    wall: () => Date.now(),
    put: (key, record, revision) => putBreaker(core().nc, core().pub, key, record, revision),
    rulesOf: (capability) => core().policy.breakers.of(capability),
  });
}

/** Share them with the other gateways, and learn from attempts. Returns how to stop. */
export async function shareBreakers(core: Core): Promise<() => void> {
  const { breakers } = core;
  const watch = await watchBreakers<BreakerRecord>(core.nc, (key, record, revision) =>
    breakers.heard(key, record, revision),
  );
  const observer: Observer = ({ decision, result, outcome, workMs }) => {
    if (core.policy.breakers.empty && breakers.size === 0) {
      return;
    }
    if (result === 'stopped' || INNOCENT.has(outcome?.code ?? '')) {
      return breakers.untook(decision);
    }
    const slow = core.policy.breakers.of(decision.capability)?.slow;
    breakers.ended(decision, { bad: result !== 'completed', slow: slow !== undefined && workMs > slow });
  };
  core.observers.add(observer);
  const timer = setInterval(() => breakers.tick(), limits.breakerTickMs);
  return () => {
    clearInterval(timer);
    core.observers.delete(observer);
    watch.stop();
  };
}

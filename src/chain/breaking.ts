/**
 * What breakers mean for the choice of an instance: agents that are out get nothing, and when all are, the call goes to
 * the declared fallback, waits, or is refused.
 */
import { principalOf } from '../domain/care/principal.js';
import type { Breakers } from '../domain/care/breakers.js';
import type { Behind } from '../domain/care/behind.js';
import { insteadOf } from '../domain/care/fallbacks.js';
import type { Instance } from '../domain/roster.js';
import { callDigest } from '../wire/digest.js';
import { meshError } from '../wire/errors.js';
import type { Draft, World } from './draft.js';
import { granted } from './guards/granted.js';
import { loop } from './guards/loop.js';
import { deny, type Verdict } from './verdict.js';

/** Says who may get it. */
type Suits = (instance: Instance) => boolean;

/** Looks at candidates of one call. */
export interface Look {
  /** Also false for agents whose breaker does not let it through. */
  readonly suits: Suits;
  /** Agents of these that are out, when all are that could take it. */
  readonly out: (instances: readonly Instance[]) => ReadonlySet<string> | undefined;
}

/** Look at candidates with breakers; undefined when no breaker of the capability has anything to say. */
export function lookWith(
  breakers: Breakers | undefined,
  capability: string,
  behind: Behind,
  suits: Suits = () => true,
): Look | undefined {
  if (breakers?.active(capability) !== true) {
    return undefined;
  }
  return {
    suits: (one) => suits(one) && breakers.suits(one, capability, behind),
    out(instances) {
      const out = new Set<string>();
      for (const one of instances) {
        // Those that are busy are not looked at when somebody is chosen: now they count as there.
        if (suits(one) && !out.has(one.agent)) {
          breakers.suits(one, capability, behind); // that somebody was turned away is noted
          if (!breakers.isOpen(one.agent, capability, behind)) {
            return undefined;
          }
          out.add(one.agent);
        }
      }
      return out.size === 0 ? undefined : out;
    },
  };
}

/** Who made a call, and for whom. */
export function behindOf(from: string, root: string): Behind {
  return { from, principal: principalOf(root) };
}

/** All agents are out: what becomes of the call. Undefined: the fallback has an instance for it. */
export function withoutAgents(draft: Draft, world: World, out: ReadonlySet<string>): Verdict {
  const { what } = draft;
  const { breakers } = world;
  const rules = world.policy.breakers.of(what);
  const behind = behindOf(draft.who, draft.root);
  if (rules?.fallback !== undefined) {
    const instead = fallBack(draft, world, rules.fallback);
    if (instead !== 'out') {
      return instead;
    }
  }
  // A probe may be due at any moment: then the call that is there is it.
  if (rules?.park === true || breakers === undefined || breakers.isDue(out, what, behind)) {
    return { verdict: 'hold', why: 'capacity' };
  }
  const retryAfterMs = breakers.retryAfterMs(out, what, behind);
  return deny(
    meshError('breaker_open', {
      capability: what,
      agents: [...out].join(', '),
      retry_after_ms: retryAfterMs,
    }),
  );
}

/** The same call of the fallback, if everybody in the chain may have that too. `out`: nobody there takes it either. */
function fallBack(draft: Draft, world: World, fallback: string): Verdict | 'out' {
  const own = draft.entry;
  const entry = own === undefined ? undefined : insteadOf(world.registry, own, fallback);
  if (entry === undefined || entry.contract !== own?.contract) {
    return 'out';
  }
  const trial: Draft = { ...draft, what: entry.name, byGrant: undefined };
  try {
    loop.check(trial, world);
    granted.check(trial, world);
  } catch {
    return 'out';
  }
  const look = lookWith(world.breakers, entry.name, behindOf(draft.who, draft.root), undefined);
  const instance = world.router.choose(entry, draft.nowMs, undefined, look?.suits);
  if (instance === undefined) {
    return look?.out(world.router.instances(entry)) === undefined
      ? { verdict: 'hold', why: 'capacity' }
      : 'out';
  }
  draft.digest ??= callDigest(draft.what, draft.body, draft.ref?.digest);
  draft.insteadOf = draft.what;
  Object.assign(draft, { what: entry.name, entry, instance, byGrant: trial.byGrant });
  return undefined;
}

/**
 * What a candidate policy would say of a call that the live one has judged. The guards themselves say it, on a copy of
 * the draft: verdict only, nothing is decided by it.
 */
import { boundedBy } from '../domain/rules/condition.js';
import type { Instance } from '../domain/roster.js';
import type { Policy } from '../domain/policy.js';
import type { Said } from '../domain/shadow.js';
import { asMeshError, meshError } from '../wire/errors.js';
import { limits } from '../wire/limits.js';
import type { Capability } from '../wire/names.js';
import type { ChainVerdict } from './chain.js';
import type { Draft, World } from './draft.js';
import { granted } from './guards/granted.js';
import { policy } from './guards/policy.js';
import type { Verdict } from './verdict.js';

/** Refusals that are the word of the policy. */
const CODES = [
  ...['root_denied', 'not_granted', 'grant_exceeded', 'policy_denied', 'policy_unmet', 'policy_error'],
  ...['guard_denied', 'guard_unanswered'],
];

/**
 * What the live policy said. Undefined where it was not asked: another guard refused the call or nobody is free for it,
 * it was compared before, when it was held for what it has now, or it is a review.
 */
export function liveSaid(draft: Draft, verdict: ChainVerdict): Said | undefined {
  const { approved, answers, replay, review } = draft;
  if ([approved, answers, replay, review].some((one) => one !== undefined)) {
    return undefined;
  }
  const ours = verdict.verdict !== 'deny' || CODES.includes(verdict.error.code);
  return ours ? saidIn(verdict.verdict === 'allow' ? undefined : verdict, draft.rules) : undefined;
}

/**
 * What the candidate says: a copy of the draft is judged. Undefined when it cannot be compared: it takes too much work,
 * or its rules ask for an agent and none is known.
 */
export function candidateSaid(live: Draft, world: World, candidate: Policy): Said | undefined {
  const draft: Draft = {
    ...live,
    chain: live.chain.length === 0 ? [live.who] : live.chain,
    ...{
      grants: undefined,
      byGrant: undefined,
      rules: undefined,
      obligations: undefined,
      approval: undefined,
    },
  };
  const seen: World = {
    revoked: world.revoked,
    ring: world.ring,
    policy: candidate,
    grants: world.grants,
    registry: world.registry,
    router: world.router,
  };
  const { said, tooMuch } = boundedBy(limits.shadowWork, () => judge(draft, seen));
  return tooMuch ? undefined : said;
}

function judge(draft: Draft, world: World): Said | undefined {
  try {
    const { ticket, grant, who, what } = draft;
    if (ticket === undefined && !world.policy.mayRoot(who, what) && grant?.last.root !== true) {
      throw meshError('root_denied', { from: who });
    }
    granted.check(draft, world);
    if (world.policy.rules?.of(what).any !== true) {
      return { said: 'allow', rules: [] };
    }
    return knowsAgent(draft, world) ? saidIn(policy.check(draft, world), draft.rules) : undefined;
  } catch (err) {
    return { said: 'deny', code: asMeshError(err, 'the candidate policy').code, rules: draft.rules ?? [] };
  }
}

/** A call that was refused before it was routed is judged for the first agent that offers it. */
function knowsAgent(draft: Draft, { registry }: World): boolean {
  if (draft.instance === undefined) {
    draft.entry = registry.find(draft.what as Capability, draft.major);
    const [agent] = draft.entry?.offers.keys() ?? [];
    draft.instance = agent === undefined ? undefined : ({ agent } as Instance);
  }
  return draft.instance !== undefined;
}

function saidIn(verdict: Verdict, rules: readonly string[] = []): Said | undefined {
  if (verdict === undefined) {
    return { said: 'allow', rules };
  }
  if (verdict.verdict === 'deny') {
    return { said: 'deny', code: verdict.error.code, rules };
  }
  if (verdict.why === 'capacity' || verdict.why === 'rate' || verdict.why === 'budget') {
    return undefined;
  }
  const needs =
    verdict.why === 'review'
      ? verdict.asks.map(({ capability }) => `review by ${capability}`)
      : verdict.approval.rules.map(({ approvers, count }) => `${count} of ${approvers.join(' or ')}`);
  return { said: 'hold', rules, needs: [...new Set(needs)].join(', ') };
}

import { callDigest } from '../../wire/digest.js';
import { meshError } from '../../wire/errors.js';
import { limits } from '../../wire/limits.js';
import { approvalDigest, type Approval } from '../../domain/approvals.js';
import type { RuleAgent } from '../../domain/rules/call.js';
import type { Rule } from '../../domain/rules/types.js';
import type { Approved, Draft, World } from '../draft.js';
import { budgetHolds } from '../budget-holds.js';
import { askReviewers } from '../reviews.js';
import { deny, type Guard, type Verdict } from '../verdict.js';

/**
 * Decides what the rules of the policy say of this call, with this body, by this agent: what neither a role
 * lists nor a grant covers needs a rule that allows it, and a rule may refuse or hold what a role lists.
 *
 * - Refuses with: policy_denied, policy_unmet, policy_error (a rule that cannot be judged is a no), approval_stale (what
 *   was approved is not what would be done), approval_expired, guard_denied, guard_unanswered (a rule asks another
 *   agent).
 * - Holds for approval, also when a budget has come to its threshold; then, as the last word before dispatch, for review.
 * - Needs: granted, route.
 * - Proves: rules (those that mattered), obligations, approval (of a held call that was approved), reviews, asks.
 */
export const policy: Guard = {
  name: 'policy',
  check(draft, world) {
    const { rules } = world.policy;
    const money = budgetHolds(draft, world);
    if (rules?.of(draft.what).any !== true) {
      return money.length === 0 ? undefined : held(draft, world, money, [], []);
    }
    const call = {
      from: draft.who,
      capability: draft.what,
      chain: draft.chain,
      args: draft.ref === undefined && draft.type !== 'bytes' ? draft.value : undefined,
      bodyBytes: draft.body.length,
      labels: draft.labels,
      intent: draft.intent,
      nowMs: draft.nowMs,
      agent: agentOf(draft),
      review: draft.review !== undefined,
    };
    const granted = (who: string) =>
      world.policy.mayByRole(who, draft.what) || draft.byGrant?.get(who) === true;
    const verdict = rules.judge(call, granted);
    const capability = draft.what;
    switch (verdict.effect) {
      case 'allow':
        if (money.length > 0) {
          return held(draft, world, money, verdict.asks, [...verdict.asks, ...verdict.rules]);
        }
        return verdict.asks.length === 0
          ? bind(draft, verdict.rules)
          : (bind(draft, [...verdict.asks, ...verdict.rules]) ?? askReviewers(draft, world, verdict.asks));
      case 'hold':
        return held(draft, world, [...verdict.rules, ...money], verdict.asks, [
          ...verdict.asks,
          ...verdict.granting,
        ]);
      case 'deny': {
        const { name, reason } = verdict.rule;
        draft.rules = [name];
        return deny(
          meshError('policy_denied', {
            rule: name,
            capability,
            reason: reason === undefined ? '' : `: ${reason}`,
          }),
        );
      }
      case 'error':
        return unjudged(draft, verdict.rule, verdict.why);
      case 'ungranted': {
        const names = namesOf(verdict.rules);
        draft.rules = names;
        return deny(meshError('policy_unmet', { who: verdict.who, capability, rules: names }));
      }
    }
  },
};

/** It waits for its approvers; once they have said yes it goes on, to those who are asked last. */
function held(
  draft: Draft,
  world: World,
  holding: readonly Rule[],
  asks: readonly Rule[],
  granting: readonly Rule[],
): Verdict {
  if (draft.approved === undefined) {
    return holdBy(draft, world, holding);
  }
  const passed = passBy(draft, world, draft.approved, holding, granting);
  return passed ?? (asks.length === 0 ? undefined : askReviewers(draft, world, asks));
}

function namesOf(rules: readonly Rule[]): string[] {
  return rules.slice(0, limits.ruleNames).map((rule) => rule.name);
}

function unjudged(draft: Draft, rule: Rule, why: string): Verdict {
  draft.rules = [rule.name];
  return deny(meshError('policy_error', { rule: rule.name, capability: draft.what, why }));
}

/** What let it through stands in the decision, with what it binds the readers of the decision to. */
function bind(draft: Draft, rules: readonly Rule[]): Verdict {
  if (rules.length === 0) {
    return undefined;
  }
  const bound = rules.flatMap(({ name, obligations = {} }) =>
    Object.entries(obligations).map(([key, text]) => [`${name}.${key}`, text] as const),
  );
  const [first] = rules;
  if (bound.length > limits.ruleNames && first !== undefined) {
    return unjudged(draft, first, `more than ${limits.ruleNames} obligations come together`);
  }
  draft.rules = namesOf(rules);
  if (bound.length > 0) {
    draft.obligations = Object.fromEntries(bound);
  }
  return undefined;
}

/** An approval counts only for exactly what would be held now: the digest of all that is made again and compared. */
function passBy(
  draft: Draft,
  world: World,
  approved: Approved,
  holding: readonly Rule[],
  granting: readonly Rule[],
): Verdict {
  const hold = holdBy(draft, world, holding);
  if (hold?.verdict !== 'hold' || hold.why !== 'approval') {
    return hold;
  }
  const { digest, expires, by, at, card } = approved;
  const { who: from, id: call, what: capability, headers } = draft;
  const approval = { ...hold.approval, expires };
  const now = approvalDigest({ from, call, capability, approval, header: (name) => headers.get(name) });
  if (draft.nowMs >= expires) {
    return deny(meshError('approval_expired', { rules: namesOf(holding) }));
  }
  if (now !== digest) {
    const why = 'what would be done now is not what was approved';
    return deny(meshError('approval_stale', { name: `${from}.${call}`, why }));
  }
  draft.approval = { by: [...by], digest, at, card };
  return bind(draft, [...holding, ...granting]);
}

/** Every rule that holds must be satisfied; the strictest time counts. */
function holdBy(draft: Draft, world: World, rules: readonly Rule[]): Verdict {
  const [first] = rules;
  if (rules.length > limits.ruleNames && first !== undefined) {
    return unjudged(draft, first, `more than ${limits.ruleNames} rules hold it`);
  }
  draft.rules = namesOf(rules);
  const holding = rules.map(({ name, reason, approvers = [], count = 1, obligations }) => ({
    rule: name,
    ...(reason === undefined ? {} : { reason }),
    approvers: [...approvers],
    count,
    ...(obligations === undefined ? {} : { obligations }),
  }));
  const until = Math.min(...rules.map((rule) => draft.nowMs + (rule.expires ?? Infinity)));
  return { verdict: 'hold', why: 'approval', approval: approvalFor(draft, world, holding, until) };
}

/** What an approval of this call must be for, as it stands now. */
export function approvalFor(
  draft: Draft,
  world: Pick<World, 'policy' | 'registry'>,
  rules: Approval['rules'],
  until: number,
): Approval {
  const agent = draft.instance?.agent;
  return {
    policy: world.policy.digest,
    rules,
    expires: Math.min(draft.deadlineMs, until),
    digest: callDigest(draft.what, draft.body, draft.ref?.digest),
    agent: agent ?? '',
    card: (agent === undefined ? undefined : world.registry.agent(agent)?.digest) ?? '',
    root: draft.root,
    chain: draft.chain,
  };
}

function agentOf({ entry, instance }: Draft): RuleAgent {
  const offer = instance === undefined ? undefined : entry?.offers.get(instance.agent);
  if (instance === undefined || offer === undefined) {
    throw new Error('nobody was chosen'); // route stands before it: it holds when nobody is there
  }
  return {
    name: instance.agent,
    version: `${offer.major}.${offer.minor}`,
    proficiency: offer.proficiency,
    costMicros: offer.costMicros,
    attributes: offer.attributes,
    readOnly: offer.readOnly,
    idempotent: offer.idempotent,
  };
}

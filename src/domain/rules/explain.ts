/**
 * Explaining: what a policy says of a call, and what each of its rules has to do with that. Slow and thorough, for
 * people and for tests of policies; the guards ask the same functions.
 */
import { matches } from '../../wire/names.js';
import type { Policy } from '../policy.js';
import { isReviewWork } from '../reviews.js';
import { askOf, looksAt } from './asks.js';
import type { RuleCall } from './call.js';
import { membersOf, unfit, Unjudged, type Rules } from './rules.js';
import type { Effect, Rule } from './types.js';

/** One rule and one call. */
export interface RuleExplained {
  readonly rule: string;
  readonly effect: Effect;
  /** It applies, it does not, or it cannot be judged (which is a no). */
  readonly said: 'applies' | 'no' | 'error';
  readonly why: string;
}

/** What becomes of a call under a policy, as far as the policy decides it. */
export interface Explained {
  readonly effect: 'allow' | 'deny' | 'hold' | 'ask';
  /** Code of the refusal. */
  readonly code?:
    'root_denied' | 'not_granted' | 'policy_denied' | 'policy_unmet' | 'policy_error' | 'guard_unanswered';
  /** Who may not, when nothing lets them. */
  readonly who?: string;
  /** The rules that mattered, as they stand in the decision. */
  readonly mattered: readonly string[];
  /** Whether the roles of each in the chain list the capability. */
  readonly roles: readonly {
    readonly who: string;
    readonly roles: readonly string[];
    readonly lists: boolean;
  }[];
  readonly rules: readonly RuleExplained[];
}

/** Explain a call. */
export function explain(policy: Policy, call: RuleCall): Explained {
  const members = membersOf(call);
  const roles = members.map((who) => ({
    who,
    roles: policy.rolesOf(who),
    lists: policy.mayByRole(who, call.capability),
  }));
  const { rules } = policy;
  const list = rules?.list.map((rule) => explainRule(rules, rule, call, members)) ?? [];
  return { ...verdictOf(policy, call, members), roles, rules: list };
}

type Verdict = Pick<Explained, 'effect' | 'code' | 'who' | 'mattered'>;

function verdictOf(policy: Policy, call: RuleCall, members: readonly string[]): Verdict {
  const isRoot = call.chain.length <= 1;
  if (isRoot && !policy.mayRoot(call.from, call.capability)) {
    return { effect: 'deny', code: 'root_denied', who: call.from, mattered: [] };
  }
  const stranger = members.find((who) => !policy.mayCall(who, call.capability));
  if (stranger !== undefined) {
    return { effect: 'deny', code: 'not_granted', who: stranger, mattered: [] };
  }
  const said = policy.rules?.judge(call, (who) => policy.mayByRole(who, call.capability));
  switch (said?.effect) {
    case undefined:
      return { effect: 'allow', mattered: [] };
    case 'allow':
    case 'hold': {
      const names = said.rules.map(({ name }) => name);
      const asks = said.asks.map(({ name }) => name);
      if (asks.length > 0 && isReviewWork(call.chain)) {
        return { effect: 'deny', code: 'guard_unanswered', mattered: asks };
      }
      return said.effect === 'allow' && asks.length > 0
        ? { effect: 'ask', mattered: [...asks, ...names] }
        : { effect: said.effect, mattered: names };
    }
    case 'deny':
      return { effect: 'deny', code: 'policy_denied', mattered: [said.rule.name] };
    case 'error':
      return { effect: 'deny', code: 'policy_error', mattered: [said.rule.name] };
    case 'ungranted':
      return {
        effect: 'deny',
        code: 'policy_unmet',
        who: said.who,
        mattered: said.rules.map(({ name }) => name),
      };
  }
}

function explainRule(rules: Rules, rule: Rule, call: RuleCall, members: readonly string[]): RuleExplained {
  const { name, effect, match = {}, when } = rule;
  const of = (said: RuleExplained['said'], why: string): RuleExplained => ({ rule: name, effect, said, why });
  if (!rule.patterns.some((pattern) => matches(pattern, call.capability))) {
    return of('no', 'it looks at other capabilities');
  }
  if (!looksAt(rule, call.capability)) {
    return of('no', 'it asks this capability, and not about it');
  }
  const other = unfit(match, call);
  if (other !== undefined) {
    return of('no', `${other}: it is for ${JSON.stringify(match[other])}`);
  }
  const fitting = members.filter((who) => rules.fitsCaller(rule, who));
  if (rule.asksCaller && fitting.length === 0) {
    return of('no', 'it is for none of those in the chain');
  }
  try {
    if (!rules.applies(rule, call, members, rules.begin(call))) {
      return of('no', `not met: ${when ?? ''}`);
    }
  } catch (err) {
    if (err instanceof Unjudged) {
      return of('error', `${err.why}, in: ${when ?? ''}`);
    }
    throw err;
  }
  if (rule.effect === 'ask') {
    const { capability, timeoutMs } = askOf(rule);
    const met = when === undefined ? '' : ` (met: ${when})`;
    return of('applies', `asks ${capability} before ${rule.ask?.before ?? ''}, waits ${timeoutMs} ms${met}`);
  }
  const whom = rule.asksCaller ? ` (for ${fitting.join(', ')})` : '';
  return of('applies', `${when === undefined ? 'it has no condition' : `met: ${when}`}${whom}`);
}

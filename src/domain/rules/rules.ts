/**
 * The rules of a policy: which of them look at a call, and what they say of it together.
 *
 * Deny overrides hold, hold overrides ask, ask overrides allow, and what nothing allows is refused. A rule that cannot be judged is a no.
 * Authority only narrows along a chain, so a rule that asks who the caller is is asked for everybody in the chain.
 */
import { matches } from '../../wire/names.js';
import { limits } from '../../wire/limits.js';
import { looksAt } from './asks.js';
import type { RuleCall } from './call.js';
import { startCall, whyOf } from './condition.js';
import { CallerFacts, Facts } from './facts.js';
import type { Effect, Rule, RuleMatch, RuleVerdict } from './types.js';

/** The rules that look at one capability, by what they do. */
export type RulesOf = Readonly<Record<Effect, readonly Rule[]>> & {
  /** One of them asks who would do it. */
  readonly asksAgent: boolean;
  readonly any: boolean;
};

const NONE: readonly Rule[] = [];

/** Roles of a member, as the rules of an owner see them. */
type RolesOf = (member: string, owner: string | undefined) => readonly string[];

/** A rule that could not be judged. */
export class Unjudged extends Error {
  constructor(
    readonly rule: Rule,
    readonly why: string,
  ) {
    super(why);
  }
}

/** Compiled rules; immutable. */
export class Rules {
  readonly list: readonly Rule[];
  readonly #rolesOf: RolesOf;
  readonly #byCapability = new Map<string, RulesOf>();

  constructor(list: readonly Rule[], rolesOf: RolesOf) {
    this.list = list;
    this.#rolesOf = rolesOf;
  }

  /** Rules that look at the capability: found once, so that the others cost nothing. */
  of(capability: string): RulesOf {
    let found = this.#byCapability.get(capability);
    if (found === undefined) {
      const list = this.list.filter((rule) => rule.patterns.some((pattern) => matches(pattern, capability)));
      const by = (effect: Effect): Rule[] => list.filter((rule) => rule.effect === effect);
      found = {
        allow: by('allow'),
        deny: by('deny'),
        hold: by('hold'),
        ask: by('ask').filter((rule) => looksAt(rule, capability)),
        asksAgent: list.some((rule) => rule.asksAgent),
        any: list.length > 0,
      };
      if (this.#byCapability.size >= limits.capabilities) {
        this.#byCapability.clear();
      }
      this.#byCapability.set(capability, found);
    }
    return found;
  }

  /** Is there a rule that may let the member call it, under its condition? */
  mayAllow(member: string, capability: string): boolean {
    return this.of(capability).allow.some((rule) => rule.grants && this.fitsCaller(rule, member));
  }

  /** Judge a call. `granted` says whether a role or a grant of the member covers it. */
  judge(call: RuleCall, granted: (member: string) => boolean): RuleVerdict {
    const { allow, deny, hold, ask } = this.of(call.capability);
    const members = membersOf(call);
    const facts = this.begin(call);
    const applies = (rule: Rule): boolean => this.applies(rule, call, members, facts);
    try {
      const denied = deny.find(applies);
      if (denied !== undefined) {
        return { effect: 'deny', rule: denied };
      }
      const granting = new Set<Rule>();
      for (const who of members) {
        // Whoever no rule could help either was let through for another reason, by the guard before this one.
        const helping = granted(who) ? [] : allow.filter((rule) => rule.grants && this.fitsCaller(rule, who));
        const by = helping.filter((rule) => this.applies(rule, call, [who], facts));
        if (helping.length > 0 && by.length === 0) {
          return { effect: 'ungranted', who, rules: helping };
        }
        by.forEach((rule) => granting.add(rule));
      }
      const held = hold.filter(applies);
      const asks = call.review === true || ask.length === 0 ? NONE : ask.filter(applies);
      const bound = allow.filter((rule) => rule.obligations !== undefined && applies(rule));
      bound.forEach((rule) => granting.add(rule));
      return held.length > 0
        ? { effect: 'hold', rules: held, granting: [...granting], asks }
        : { effect: 'allow', rules: [...granting], asks };
    } catch (err) {
      if (err instanceof Unjudged) {
        return { effect: 'error', rule: err.rule, why: err.why };
      }
      throw err;
    }
  }

  /** Does the rule apply to the call, for one of the members as its caller? Throws Unjudged. */
  applies(rule: Rule, call: RuleCall, members: readonly string[], facts: Facts): boolean {
    if (!fitsCall(rule, call)) {
      return false;
    }
    if (!rule.asksCaller) {
      return test(rule, facts);
    }
    for (const who of members) {
      if (this.fitsCaller(rule, who)) {
        if (facts.caller.name !== who || facts.caller.seenBy !== rule.owner) {
          facts.caller = this.#caller(who, rule.owner);
        }
        if (test(rule, facts)) {
          return true;
        }
      }
    }
    return false;
  }

  /** The variables of a call; what its conditions may take is counted from here. */
  begin(call: RuleCall): Facts {
    startCall(call.bodyBytes);
    return new Facts(call, this.#caller(call.from));
  }

  #caller(name: string, owner?: string): CallerFacts {
    return new CallerFacts(name, this.#rolesOf(name, owner), owner);
  }

  /** Is it one of those that the rule is for? */
  fitsCaller({ match, owner }: Rule, who: string): boolean {
    return (
      (match?.from === undefined || match.from.includes(who)) &&
      (match?.role === undefined || this.#rolesOf(who, owner).some((role) => match.role?.includes(role)))
    );
  }
}

function test(rule: Rule, facts: Facts): boolean {
  try {
    return rule.condition === undefined || rule.condition.test(facts);
  } catch (err) {
    throw new Unjudged(rule, whyOf(err));
  }
}

/** Does all fit that the rule says of the call, but for its caller? */
function fitsCall({ match }: Rule, call: RuleCall): boolean {
  return match === undefined || unfit(match, call) === undefined;
}

/** What of the call does not fit. */
export function unfit(match: RuleMatch, call: RuleCall): keyof RuleMatch | undefined {
  const { agent, root, intent, labels } = match;
  if (agent !== undefined && !agent.includes(call.agent.name)) {
    return 'agent';
  }
  if (root !== undefined && !root.includes(call.chain[0] ?? '')) {
    return 'root';
  }
  if (intent !== undefined && !intent.includes(call.intent ?? '')) {
    return 'intent';
  }
  const said = call.labels ?? {};
  const other = ([key, value]: [string, string]): boolean => !Object.hasOwn(said, key) || said[key] !== value;
  return labels !== undefined && Object.entries(labels).some(other) ? 'labels' : undefined;
}

/** The caller, and everybody above it. */
export function membersOf({ from, chain }: RuleCall): readonly string[] {
  const names = new Set([from]);
  for (const entry of chain) {
    const slash = entry.indexOf('/');
    names.add(slash < 0 ? entry : entry.slice(0, slash));
  }
  return [...names];
}

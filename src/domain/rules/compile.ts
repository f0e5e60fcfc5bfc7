/**
 * Compiling rules when a policy is loaded. What is wrong is said with the rule and the place in the file.
 */
import { isPattern, isToken } from '../../wire/names.js';
import { limits } from '../../wire/limits.js';
import { Conditions, type Condition } from './condition.js';
import type { Rule, RuleMatch, RuleSource } from './types.js';

/** What the rest of the policy says, and how to refuse. */
export interface RuleSurroundings {
  readonly roles: ReadonlySet<string>;
  /** `where` is a path into the file: `rules[3].when`. */
  readonly refuse: (where: string, why: string) => never;
}

/** The name of a rule: it stands in errors and decisions. */
const NAME = /^[a-z0-9][a-z0-9_.-]{0,63}$/;

/** Compile rules whose shape was checked. Refuses with config_invalid. */
export function compileRules(sources: readonly RuleSource[], around: RuleSurroundings): Rule[] {
  if (sources.length > limits.rules) {
    around.refuse('rules', `there are ${sources.length} rules, allowed are ${limits.rules}`);
  }
  const conditions = new Conditions();
  const seen = new Map<string, number>();
  return sources.map((source, i) => {
    const at = `rules[${i}]`;
    const other = seen.get(source.name);
    if (!NAME.test(source.name)) {
      around.refuse(`${at}.name`, 'it must be 1 to 64 of a-z 0-9 _ . -');
    }
    if (other !== undefined) {
      around.refuse(`${at}.name`, `the name ${source.name} stands twice (also at rules[${other}])`);
    }
    seen.set(source.name, i);
    const refuse = (key: string, why: string): never =>
      around.refuse(`${at}${key}`, `rule ${source.name}: ${why}`);
    checkMatch(source.match ?? {}, around.roles, refuse);
    checkAllow(source, refuse);
    checkHold(source, around.roles, refuse);
    checkTexts(source, refuse);
    return ruleOf(source, conditionOf(source, conditions, refuse));
  });
}

type Refuse = (key: string, why: string) => never;

function conditionOf({ when }: RuleSource, conditions: Conditions, refuse: Refuse): Condition | undefined {
  try {
    return when === undefined ? undefined : conditions.compile(when);
  } catch (err) {
    return refuse('.when', err instanceof Error ? err.message : 'it does not compile');
  }
}

function ruleOf(source: RuleSource, condition: Condition | undefined): Rule {
  const { match = {} } = source;
  const reads = (name: string): boolean => condition?.reads.has(name) ?? false;
  return {
    ...source,
    condition,
    patterns: match.capability ?? ['>'],
    grants: source.effect === 'allow' && saysWhom(match),
    asksCaller: match.from !== undefined || match.role !== undefined || reads('caller'),
    asksAgent: match.agent !== undefined || reads('agent') || reads('cost') || reads('risk'),
  };
}

function checkMatch(match: RuleMatch, roles: ReadonlySet<string>, refuse: Refuse): void {
  const lists = ['capability', 'from', 'role', 'agent', 'root', 'intent'] as const;
  for (const key of lists) {
    if (match[key]?.length === 0) {
      refuse(`.match.${key}`, `an empty list fits no call: leave ${key} out to fit all`);
    }
  }
  const pattern = match.capability?.find((one) => !isPattern(one));
  if (pattern !== undefined) {
    refuse('.match.capability', `${JSON.stringify(pattern)} is not a capability pattern`);
  }
  for (const key of ['from', 'agent', 'root'] as const) {
    const name = match[key]?.find((one) => !isToken(one));
    if (name !== undefined) {
      refuse(`.match.${key}`, `${JSON.stringify(name)} is not a name`);
    }
  }
  knownRoles(match.role, roles, '.match.role', refuse);
}

function saysWhom({ from, role }: RuleMatch): boolean {
  return from !== undefined || role !== undefined;
}

function checkAllow({ effect, match = {}, obligations }: RuleSource, refuse: Refuse): void {
  if (effect === 'allow' && !saysWhom(match) && obligations === undefined) {
    refuse('', 'a rule that allows says whom (match.from or match.role), or has obligations');
  }
}

function checkHold(source: RuleSource, roles: ReadonlySet<string>, refuse: Refuse): void {
  const { effect, approvers, count, expires } = source;
  if (effect !== 'hold') {
    const odd = (['approvers', 'count', 'expires'] as const).find((key) => source[key] !== undefined);
    return odd === undefined ? undefined : refuse(`.${odd}`, `only a rule that holds has ${odd}`);
  }
  if (approvers === undefined || approvers.length === 0) {
    return refuse('', 'a rule that holds says who may approve: approvers: [role, …]');
  }
  knownRoles(approvers, roles, '.approvers', refuse);
  if (count !== undefined && (!Number.isInteger(count) || count < 1 || count > limits.approvers)) {
    refuse('.count', `it must be a whole number from 1 to ${limits.approvers}`);
  }
  if (
    expires !== undefined &&
    (!Number.isInteger(expires) || expires < 1_000 || expires > limits.lifeMaxMs)
  ) {
    refuse('.expires', `it must be 1s to ${limits.lifeMaxMs / 3_600_000}h`);
  }
}

/** They stand in decisions and parked records. */
function checkTexts({ reason = '', obligations = {} }: RuleSource, refuse: Refuse): void {
  const longest = Math.max(0, reason.length, ...Object.values(obligations).map((text) => text.length));
  if (longest > limits.ruleText) {
    refuse('', `its reason or an obligation has ${longest} characters, allowed are ${limits.ruleText}`);
  }
  const odd = Object.keys(obligations).find((key) => !isToken(key));
  if (odd !== undefined || Object.keys(obligations).length > limits.ruleObligations) {
    refuse('.obligations', `it must have at most ${limits.ruleObligations} keys of a-z 0-9 _ -`);
  }
}

function knownRoles(
  named: readonly string[] | undefined,
  roles: ReadonlySet<string>,
  key: string,
  refuse: Refuse,
): void {
  const foreign = named?.find((role) => !roles.has(role));
  if (foreign !== undefined) {
    refuse(key, `there is no role ${foreign}`);
  }
}

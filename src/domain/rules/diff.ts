/**
 * What changes between two policies: who gains and who loses what, and which rules come, go and change.
 */
import type { Policy } from '../policy.js';
import { covers } from './covers.js';
import type { Effect, Rule } from './types.js';

/** Somebody may something that they might not before, or the other way round. */
export interface RightChange {
  readonly who: string;
  readonly change: 'gains' | 'loses';
  readonly what: 'call' | 'serve' | 'mayRoot' | 'issue';
  /** Pattern of capabilities (call and serve; mayRoot where it is bound to some). */
  readonly pattern?: string;
  /** What is left of a pattern that is lost. */
  readonly keeps?: readonly string[];
}

/** A rule that is not the same. */
export interface RuleChange {
  readonly rule: string;
  readonly effect: Effect;
  readonly change: 'added' | 'removed' | 'changed';
  /** Keys that differ. */
  readonly keys?: readonly string[];
}

/** All that differs. */
export interface PolicyDiff {
  readonly rights: readonly RightChange[];
  readonly rules: readonly RuleChange[];
}

/** Compare two policies. */
export function diffPolicies(before: Policy, after: Policy): PolicyDiff {
  const members = [...new Set([...before.members(), ...after.members()])].toSorted();
  const rights = members.flatMap((who) => [
    ...patternChanges(who, 'call', before.rightsOf(who).call, after.rightsOf(who).call),
    ...patternChanges(who, 'serve', before.rightsOf(who).serve, after.rightsOf(who).serve),
    ...rootChanges(who, before, after),
  ]);
  const issuers = [...new Set([...before.issuers.keys(), ...after.issuers.keys()])].toSorted();
  rights.push(
    ...issuers.flatMap((who) => {
      const [old, now] = [before.issuers.get(who), after.issuers.get(who)];
      return old === now
        ? []
        : [
            ...change(who, 'issue', old !== undefined, false),
            ...change(who, 'issue', false, now !== undefined),
          ];
    }),
  );
  return { rights, rules: ruleChanges(before.rules?.list ?? [], after.rules?.list ?? []) };
}

function rootChanges(who: string, before: Policy, after: Policy): RightChange[] {
  const changes = patternChanges(who, 'mayRoot', before.rootsOf(who), after.rootsOf(who));
  return changes.map(({ pattern, ...rest }) =>
    pattern === '>' ? rest : { ...rest, pattern: pattern ?? '>' },
  );
}

function patternChanges(
  who: string,
  what: 'call' | 'serve' | 'mayRoot',
  before: readonly string[],
  after: readonly string[],
): RightChange[] {
  const missingIn = (there: readonly string[], list: readonly string[]): string[] =>
    [...new Set(list)].filter((pattern) => !there.some((other) => covers(other, pattern)));
  return [
    ...missingIn(after, before).map((pattern): RightChange => {
      const keeps = [...new Set(after)].filter((one) => covers(pattern, one));
      return { who, change: 'loses', what, pattern, ...(keeps.length === 0 ? {} : { keeps }) };
    }),
    ...missingIn(before, after).map((pattern): RightChange => ({ who, change: 'gains', what, pattern })),
  ];
}

function change(who: string, what: 'issue', before: boolean, after: boolean): RightChange[] {
  return before === after ? [] : [{ who, change: after ? 'gains' : 'loses', what }];
}

const KEYS = [
  'effect',
  'match',
  'when',
  'reason',
  'obligations',
  'approvers',
  'count',
  'expires',
  'ask',
] as const;

function ruleChanges(before: readonly Rule[], after: readonly Rule[]): RuleChange[] {
  const old = new Map(before.map((rule) => [rule.name, rule]));
  const now = new Set(after.map((rule) => rule.name));
  const gone = before.filter((rule) => !now.has(rule.name));
  return [
    ...gone.map(({ name, effect }): RuleChange => ({ rule: name, effect, change: 'removed' })),
    ...after.flatMap((rule): RuleChange[] => {
      const known = old.get(rule.name);
      const { name, effect } = rule;
      if (known === undefined) {
        return [{ rule: name, effect, change: 'added' }];
      }
      const keys = KEYS.filter((key) => JSON.stringify(known[key]) !== JSON.stringify(rule[key]));
      return keys.length === 0 ? [] : [{ rule: name, effect, change: 'changed', keys }];
    }),
  ];
}

/**
 * Compiling rules when a policy is loaded. What is wrong is said with the rule and the place in the file.
 */
import { limits } from '../../wire/limits.js';
import type { Steps } from '../slices.js';
import { askTrouble } from './asks.js';
import { compileCondition, type Condition } from './condition.js';
import type { Rule, RuleMatch, RuleSource } from './types.js';

/** Hears what is wrong. `where` is a path into the file: `rules[3].when`. */
export type Report = (where: string, why: string) => void;

/** Compiled conditions by their text. */
export type Known = ReadonlyMap<string, Condition>;

const NONE: Known = new Map();

/** One place that is wrong ends its rule: what comes after it may only follow from it. */
class Refusal extends Error {
  constructor(
    readonly where: string,
    readonly why: string,
  ) {
    super(why);
  }
}

/**
 * Compile the rules of a file, rule by rule. What is wrong with a rule is reported, and the rule is left out: a file
 * with a report is no policy. `roles` are those that the file knows; `known` are conditions that were compiled before,
 * by their text: they need not be compiled again.
 */
export function* compileRules(
  sources: readonly Partial<RuleSource>[],
  roles: ReadonlySet<string>,
  report: Report,
  known: Known = NONE,
): Steps<Rule[]> {
  if (sources.length > limits.rules) {
    report('rules', `there are ${sources.length} rules, allowed are ${limits.rules}`);
    return [];
  }
  const seen = new Map<string, number>();
  const compiled: Rule[] = [];
  for (const [i, source] of sources.entries()) {
    const at = `rules[${i}]`;
    const { name, effect } = source;
    if (name === undefined || effect === undefined) {
      continue; // its shape was reported
    }
    const other = seen.get(name);
    if (other !== undefined) {
      report(`${at}.name`, `the name ${name} stands twice (also at rules[${other}])`);
    }
    seen.set(name, i);
    try {
      compiled.push(compileRule({ ...source, name, effect }, roles, known));
    } catch (err) {
      if (!(err instanceof Refusal)) {
        throw err;
      }
      report(`${at}${err.where}`, `rule ${name}: ${err.why}`);
    }
    yield;
  }
  return compiled;
}

function compileRule(source: RuleSource, roles: ReadonlySet<string>, known: Known): Rule {
  checkMatch(source.match ?? {}, roles);
  checkAllow(source);
  checkHold(source, roles);
  const trouble = askTrouble(source);
  if (trouble !== undefined) {
    refuse(...trouble);
  }
  return ruleOf(source, conditionOf(source, known));
}

function refuse(where: string, why: string): never {
  throw new Refusal(where, why);
}

function conditionOf({ when }: RuleSource, known: Known): Condition | undefined {
  try {
    return when === undefined ? undefined : (known.get(when) ?? compileCondition(when));
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
    // A reviewer is asked about one agent: no other one may go on.
    asksAgent:
      source.effect === 'ask' ||
      match.agent !== undefined ||
      ['agent', 'cost', 'risk'].some((name) => reads(name)),
  };
}

function checkMatch(match: RuleMatch, roles: ReadonlySet<string>): void {
  const lists = ['capability', 'from', 'role', 'agent', 'root', 'intent'] as const;
  for (const key of lists) {
    if (match[key]?.length === 0) {
      refuse(`.match.${key}`, `an empty list fits no call: leave ${key} out to fit all`);
    }
  }
  knownRoles(match.role, roles, '.match.role');
}

function saysWhom({ from, role }: RuleMatch): boolean {
  return from !== undefined || role !== undefined;
}

function checkAllow({ effect, match = {}, obligations }: RuleSource): void {
  if (effect === 'allow' && !saysWhom(match) && obligations === undefined) {
    refuse('', 'a rule that allows says whom (match.from or match.role), or has obligations');
  }
}

function checkHold(source: RuleSource, roles: ReadonlySet<string>): void {
  const { effect, approvers, obligations = {} } = source;
  if (Object.keys(obligations).length > limits.ruleObligations) {
    refuse('.obligations', `there are more than ${limits.ruleObligations}`);
  }
  if (effect !== 'hold') {
    const odd = (['approvers', 'count', 'expires'] as const).find((key) => source[key] !== undefined);
    return odd === undefined ? undefined : refuse(`.${odd}`, `only a rule that holds has ${odd}`);
  }
  if (approvers === undefined || approvers.length === 0) {
    return refuse('', 'a rule that holds says who may approve: approvers: [role, …]');
  }
  knownRoles(approvers, roles, '.approvers');
}

function knownRoles(named: readonly string[] | undefined, roles: ReadonlySet<string>, key: string): void {
  const foreign = named?.find((role) => !roles.has(role));
  if (foreign !== undefined) {
    refuse(key, `there is no role ${foreign}`);
  }
}

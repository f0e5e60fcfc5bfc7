/**
 * The limits of an owner: what its file may say. Whatever lies beyond them is refused when the policy is loaded, with
 * what can be done about it.
 */
import type { policyShape, teamShape } from '../config/policy-shape.js';
import type { ValueOf } from '../config/shape.js';
import { limits } from '../../wire/limits.js';
import { nearNames } from '../near.js';
import { covers } from '../rules/covers.js';
import type { RuleSource } from '../rules/types.js';

/** The main file, and that of an owner, as they were read. */
export type MainFile = ValueOf<typeof policyShape>;
export type TeamFile = ValueOf<typeof teamShape>;

/** What the mesh owner says of an owner. */
export type OwnerLimits = NonNullable<MainFile['owners']>[string];

/** Hears what is wrong. `where` is a path into the file of the owner. */
export type Refuse = (where: string, why: string) => void;

/** One owner whose file is looked at. */
export interface Team {
  readonly name: string;
  readonly limits: OwnerLimits;
  readonly file: TeamFile;
  readonly main: MainFile;
  /** Owners of the roles that other files define. */
  readonly taken: ReadonlyMap<string, string>;
}

/** Say all that lies beyond the limits of an owner. */
export function refuseBeyond(team: Team, refuse: Refuse): void {
  refuseRoles(team, refuse);
  refuseMembers(team, refuse);
  for (const pattern of Object.keys(team.file.routing ?? {})) {
    refusePattern(team, pattern, `routing.${pattern}`, refuse);
  }
  const rules = team.file.rules ?? [];
  const most = team.limits.maxRules ?? limits.ownerRules;
  if (rules.length > most) {
    refuse('rules', `there are ${rules.length} rules, allowed are ${most}: ${ask(team, 'maxRules')}`);
  }
  rules.forEach((rule, i) => refuseRule(team, rule, `rules[${i}]`, refuse));
}

function ask({ name }: Team, key: string): string {
  return `else ask the mesh owner for owners.${name}.${key}`;
}

function list(names: readonly string[] | undefined): string {
  return names === undefined || names.length === 0 ? 'none' : names.join(', ');
}

/** Does the name fit one of them? A star at the end stands for all that follows. */
function fits(globs: readonly string[] | undefined, name: string): boolean {
  return (globs ?? []).some((glob) =>
    glob.endsWith('*') ? name.startsWith(glob.slice(0, -1)) : name === glob,
  );
}

function refusePattern(team: Team, pattern: string, where: string, refuse: Refuse): boolean {
  const { capabilities = [] } = team.limits;
  const own = capabilities.some((one) => covers(one, pattern));
  if (!own) {
    refuse(
      where,
      `${pattern} is not in its capabilities (${list(capabilities)}): narrow it, ${ask(team, 'capabilities')}`,
    );
  }
  return own;
}

/** A rule of the mesh owner that refuses all of a pattern to everybody: nothing that allows it can count. */
function refuseDenied(team: Team, pattern: string, where: string, refuse: Refuse): void {
  const deny = team.main.rules?.find(({ effect, when, match = {} }) => {
    const { capability = ['>'], ...rest } = match;
    const plain = effect === 'deny' && when === undefined && Object.keys(rest).length === 0;
    return plain && capability.some((one) => covers(one, pattern));
  });
  if (deny !== undefined) {
    const rule = deny.name ?? '';
    refuse(where, `the mesh owner's rule ${rule} refuses ${pattern} to everybody, which stands: take it out`);
  }
}

function refuseRoles(team: Team, refuse: Refuse): void {
  for (const [name, role] of Object.entries(team.file.roles ?? {})) {
    const where = `roles.${name}`;
    const other = Object.hasOwn(team.main.roles ?? {}, name) ? 'the mesh owner' : team.taken.get(name);
    if (other !== undefined) {
      refuse(where, `the role ${name} is of ${other}: choose another name`);
    } else if (!fits(team.limits.roles, name)) {
      refuse(
        where,
        `it may not define the role ${name} (allowed: ${list(team.limits.roles)}): rename it, ${ask(team, 'roles')}`,
      );
    }
    for (const what of ['call', 'serve'] as const) {
      (role[what] ?? []).forEach((pattern, i) => {
        const at = `${where}.${what}[${i}]`;
        if (refusePattern(team, pattern, at, refuse) && what === 'call') {
          refuseDenied(team, pattern, at, refuse);
        }
      });
    }
    if (role.mayRoot === true && team.limits.mayRoot !== true) {
      refuse(
        `${where}.mayRoot`,
        `it may not let anybody begin trees of calls: take it out, ${ask(team, 'mayRoot')}`,
      );
    }
  }
}

function refuseMembers(team: Team, refuse: Refuse): void {
  const own = Object.keys(team.file.roles ?? {});
  for (const [name, roles] of Object.entries(team.file.members ?? {})) {
    const where = `members.${name}`;
    if (!fits(team.limits.members, name)) {
      refuse(
        where,
        `it may not give roles to ${name} (allowed: ${list(team.limits.members)}): take it out, ${ask(team, 'members')}`,
      );
    }
    roles.forEach((role, i) => {
      if (!own.includes(role)) {
        refuse(`${where}[${i}]`, whyForeign(team, role, own));
      }
    });
  }
}

function whyForeign({ main, taken }: Team, role: string, own: readonly string[]): string {
  const other = Object.hasOwn(main.roles ?? {}, role) ? 'the mesh owner' : taken.get(role);
  if (other !== undefined) {
    return `the role ${role} is of ${other}: only roles of this file can be given here`;
  }
  const [near] = nearNames(role, own);
  return `there is no role ${role} in this file${near === undefined ? '' : `; did you mean ${near}?`}`;
}

function refuseRule(team: Team, rule: Partial<RuleSource>, where: string, refuse: Refuse): void {
  const { effect, name = '' } = rule;
  if (effect !== undefined && team.limits.may?.includes(effect) !== true) {
    const may = list(team.limits.may);
    refuse(
      `${where}.effect`,
      `it may set no rules that ${effect} (allowed: ${may}): take it out, ${ask(team, 'may')}`,
    );
  }
  if (nameIn(team.name, name).length > limits.ruleNameChars) {
    refuse(
      `${where}.name`,
      `${nameIn(team.name, name)} has more than ${limits.ruleNameChars} characters: shorten it`,
    );
  }
  const { capability = team.limits.capabilities ?? [] } = rule.match ?? {};
  capability.forEach((pattern, i) => {
    const at = rule.match?.capability === undefined ? where : `${where}.match.capability[${i}]`;
    if (refusePattern(team, pattern, at, refuse) && effect === 'allow') {
      refuseDenied(team, pattern, at, refuse);
    }
  });
  if (effect === 'hold') {
    refuseHold(team, rule, where, refuse);
  }
  refuseAsk(team, rule, where, refuse);
}

/** To ask is to have something run, whatever the callers of the reviewed call may. */
function refuseAsk(team: Team, { ask: whom }: Partial<RuleSource>, where: string, refuse: Refuse): void {
  const { capabilities = [], reviewers = [] } = team.limits;
  const allowed = [...capabilities, ...reviewers];
  const asked = whom?.capability;
  if (asked !== undefined && !allowed.some((one) => covers(one, asked))) {
    refuse(
      `${where}.ask.capability`,
      `it may not ask ${asked} (allowed: ${list(allowed)}): ask another, ${ask(team, 'reviewers')}`,
    );
  }
}

function refuseHold(team: Team, rule: Partial<RuleSource>, where: string, refuse: Refuse): void {
  const { approvers: named = [], maxHold } = team.limits;
  const own = Object.keys(team.file.roles ?? {});
  rule.approvers?.forEach((role, i) => {
    if (!own.includes(role) && !named.includes(role)) {
      const allowed = list([...own, ...named]);
      refuse(
        `${where}.approvers[${i}]`,
        `it may not name ${role} as approvers (allowed: ${allowed}): name others, ${ask(team, 'approvers')}`,
      );
    }
  });
  if (maxHold !== undefined && (rule.expires ?? Infinity) > maxHold) {
    const what = rule.expires === undefined ? 'it does not say how long it holds' : 'it holds longer';
    refuse(
      rule.expires === undefined ? where : `${where}.expires`,
      `${what}, allowed are ${maxHold} ms: write expires, ${ask(team, 'maxHold')}`,
    );
  }
}

/** The name of a rule of an owner, as decisions and errors say it. */
export function nameIn(owner: string, rule: string): string {
  return `${owner}/${rule}`;
}

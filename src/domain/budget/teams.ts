/**
 * Teams: named lists of principals that share a budget. A team may hold other teams; none may hold itself.
 */
import { nearNames } from '../near.js';
import type { Report } from '../rules/compile.js';

/** A team as it is written. */
export interface TeamSource {
  /** Names of principals; a `*` at the end fits all that follows. */
  readonly members?: readonly string[];
  /** Roles of the policy whose members belong to it. */
  readonly roles?: readonly string[];
  /** Teams whose members belong to it. */
  readonly teams?: readonly string[];
}

/** What teams are judged by. */
export interface Members {
  /** The roles that the policy has. */
  readonly known: ReadonlySet<string>;
  /** Names of the roles of a member. */
  readonly rolesOf: (member: string) => readonly string[];
}

type Sources = Readonly<Record<string, TeamSource>>;

/** Does the name fit the pattern: the same, or begun by what stands before its `*`? */
export function fitsName(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
}

/** Does every name that fits `inner` fit `outer`? */
export function coversName(outer: string, inner: string): boolean {
  return outer.endsWith('*') ? inner.startsWith(outer.slice(0, -1)) : outer === inner;
}

/** The teams of a budget. */
export class Teams {
  /** Each team with all that it holds. */
  readonly #teams: readonly (readonly [name: string, all: readonly TeamSource[]])[];
  readonly #rolesOf: Members['rolesOf'];

  constructor(teams: Sources, rolesOf: Members['rolesOf']) {
    this.#teams = Object.keys(teams).map((name) => [name, within(teams, name)]);
    this.#rolesOf = rolesOf;
  }

  /** Names of the teams that the principal belongs to, in the order of the file. */
  of(principal: string): string[] {
    const roles = this.#rolesOf(principal);
    const holds = ({ members = [], roles: some = [] }: TeamSource): boolean =>
      members.some((pattern) => fitsName(pattern, principal)) || some.some((role) => roles.includes(role));
    return this.#teams.flatMap(([name, all]) => (all.some(holds) ? [name] : []));
  }
}

/** A team and all teams in it, each once. */
function within(teams: Sources, name: string): TeamSource[] {
  const found = new Set([name]);
  for (const one of found) {
    (Object.hasOwn(teams, one) ? (teams[one]?.teams ?? []) : []).forEach((inner) => found.add(inner));
  }
  return [...found].flatMap((one) => (Object.hasOwn(teams, one) ? (teams[one] ?? []) : []));
}

/** Say what is wrong with teams: nobody in them, roles and teams that are not there, teams that hold themselves. */
export function checkTeams(teams: Sources, { known }: Pick<Members, 'known'>, report: Report): void {
  for (const [name, team] of Object.entries(teams)) {
    const at = `budgets.teams.${name}`;
    if ([team.members, team.roles, team.teams].every((list) => (list ?? []).length === 0)) {
      report(at, `nobody is in it: name members, roles or teams`);
    }
    (team.roles ?? []).forEach((role, i) => {
      if (!known.has(role)) {
        report(`${at}.roles[${i}]`, `there is no role ${role}${hint(role, known)}`);
      }
    });
    (team.teams ?? []).forEach((inner, i) => {
      if (!Object.hasOwn(teams, inner)) {
        report(`${at}.teams[${i}]`, `there is no team ${inner}${hint(inner, Object.keys(teams))}`);
      }
    });
    const circle = circleFrom(teams, name);
    if (circle !== undefined) {
      report(`${at}.teams`, `the team holds itself: ${circle.join(' > ')}`);
    }
  }
}

/** The way from a team back to itself; undefined when there is none. */
function circleFrom(teams: Sources, first: string): string[] | undefined {
  const seen = new Set<string>();
  const ways: string[][] = [[first]];
  for (let way = ways.pop(); way !== undefined; way = ways.pop()) {
    const last = way[way.length - 1] ?? '';
    for (const inner of Object.hasOwn(teams, last) ? (teams[last]?.teams ?? []) : []) {
      if (inner === first) {
        return [...way, first];
      }
      if (!seen.has(inner)) {
        seen.add(inner);
        ways.push([...way, inner]);
      }
    }
  }
  return undefined;
}

function hint(name: string, known: Iterable<string>): string {
  const [near] = nearNames(name, known);
  return near === undefined ? '' : `; did you mean ${near}?`;
}

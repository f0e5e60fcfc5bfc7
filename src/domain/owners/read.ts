/**
 * Reading the files of owners, and merging them: the mesh owner's file first, then each owner's in the order in which
 * the mesh owner names them. What an owner's file says counts within its limits only, so nothing in it can undo or
 * widen what another file says.
 */
import { dirname, join } from 'node:path';
import { policyShape, teamShape } from '../config/policy-shape.js';
import { routingTroubles } from '../config/routing-shape.js';
import { readYaml, type Place, type Problem, type ReadYaml } from '../config/yaml.js';
import type { PolicyData, RoleData } from '../policy-data.js';
import { compileRules } from '../rules/compile.js';
import type { Rule, RuleSource } from '../rules/types.js';
import { atOnce } from '../slices.js';
import { nameIn, refuseBeyond, type MainFile, type Team, type TeamFile } from './limits.js';

/** Texts of the files of owners, by their paths as the main file writes them. What is not there is missing. */
export type OwnedFiles = Readonly<Record<string, string>>;

/** What the files of owners add. */
export interface ReadOwners {
  readonly problems: readonly Problem[];
  /** Data of all files together. */
  readonly data: PolicyData;
  /** Their rules, compiled. */
  readonly rules: readonly Rule[];
}

/** The paths of the files of owners that a main file names, as it writes them. */
export function ownerFiles(text: string): string[] {
  if (!text.includes('owners')) {
    return []; // it is read twice only where there may be some
  }
  const { owners = {} } = readYaml<MainFile>(text, '', policyShape).value;
  return [...new Set(Object.values(owners).flatMap(({ file }) => file ?? []))];
}

/** Read and merge them. `file` is what people call the main one. Never throws: see `problems`. */
export function readOwners(main: ReadYaml<MainFile>, file: string, texts: OwnedFiles): ReadOwners {
  const problems: Problem[] = [];
  const taken = new Map<string, string>();
  let data = dataOf(main.value);
  const rules: Rule[] = [];
  for (const [name, limits] of Object.entries(main.value.owners ?? {})) {
    problems.push(...wrongLimits(main, file, name));
    const path = limits.file ?? '';
    const text = Object.hasOwn(texts, path) ? texts[path] : undefined;
    if (text === undefined) {
      const where = `owners.${name}.file`;
      const why = `owner ${name}: there is no file ${path}: write it, or take the owner out`;
      problems.push({ file, where, why, ...main.place(where) });
      continue;
    }
    const called = join(dirname(file), path);
    const read = readYaml<TeamFile>(text, called, teamShape);
    const team: Team = { name, limits, file: read.value, main: main.value, taken };
    const one = readTeam(team, read, called);
    problems.push(...one.problems);
    rules.push(...one.rules);
    data = merge(data, team, one.sources);
    Object.keys(read.value.roles ?? {}).forEach((role) => taken.set(role, `the owner ${name}`));
  }
  return { problems, data, rules };
}

/** What the mesh owner says itself, as data. */
export function dataOf(main: MainFile): PolicyData {
  const { roles, members, routing, issuers, loops, breakers, budgets, prices, priorities } = main;
  const { rates, meters, retries, rules = [] } = main;
  return {
    ...(roles === undefined ? {} : { roles }),
    ...(members === undefined ? {} : { members }),
    ...(routing === undefined ? {} : { routing }),
    ...(issuers === undefined ? {} : { issuers }),
    ...(loops === undefined ? {} : { loops }),
    ...(breakers === undefined ? {} : { breakers }),
    ...(retries === undefined ? {} : { retries }),
    ...(budgets === undefined ? {} : { budgets }),
    ...(prices === undefined ? {} : { prices }),
    ...(priorities === undefined ? {} : { priorities }),
    ...(meters === undefined ? {} : { meters }),
    ...(rates === undefined ? {} : { rates }),
    // A rule without name or effect is a problem; where there is none, all have both.
    rules: rules as readonly RuleSource[],
  };
}

/** Limits that cannot be meant. */
function wrongLimits(main: ReadYaml<MainFile>, file: string, owner: string): Problem[] {
  const { approvers = [], capabilities, file: path } = main.value.owners?.[owner] ?? {};
  const say = (where: string, why: string): Problem => ({ file, where, why, ...main.place(where) });
  const [first = owner] = Object.entries(main.value.owners ?? {}).find(([, one]) => one.file === path) ?? [];
  return [
    ...approvers.flatMap((role, i) =>
      Object.hasOwn(main.value.roles ?? {}, role)
        ? []
        : [say(`owners.${owner}.approvers[${i}]`, `there is no role ${role} in this file`)],
    ),
    ...(first === owner ? [] : [say(`owners.${owner}.file`, `the owner ${first} has the same file`)]),
    ...(capabilities?.length === 0 ? [say(`owners.${owner}.capabilities`, 'name at least one')] : []),
  ];
}

interface ReadTeam {
  readonly problems: readonly Problem[];
  readonly sources: readonly RuleSource[];
  readonly rules: readonly Rule[];
}

function readTeam(team: Team, read: ReadYaml<TeamFile>, file: string): ReadTeam {
  const { name, limits, main } = team;
  const problems: Problem[] = [];
  const say = (where: string, why: string, place: Place): void =>
    void problems.push({ file, where, why: `owner ${name}: ${why}`, line: place.line, column: place.column });
  read.problems.forEach((one) => say(one.where, one.why, one));
  const report = (where: string, why: string): void => say(where, why, placeIn(read, where));
  refuseBeyond(team, report);
  routingTroubles(team.file.routing ?? {}).forEach(([where, why]) => report(where, why));
  const roles = new Set([...Object.keys(main.roles ?? {}), ...Object.keys(team.file.roles ?? {})]);
  const sources = (team.file.rules ?? []).map((rule): Partial<RuleSource> => ({
    ...rule,
    ...(rule.name === undefined ? {} : { name: nameIn(name, rule.name) }),
    match: { ...rule.match, capability: rule.match?.capability ?? limits.capabilities ?? [] },
    owner: name,
  }));
  const rules = atOnce(compileRules(sources, roles, report));
  return { problems, sources: sources as readonly RuleSource[], rules };
}

function merge(data: PolicyData, { name, limits, file }: Team, rules: readonly RuleSource[]): PolicyData {
  const roles = Object.entries(file.roles ?? {}).map(([role, one]): [string, RoleData] => [
    role,
    { ...one, owner: name, ...(one.mayRoot === true ? { within: limits.capabilities ?? [] } : {}) },
  ]);
  const members = Object.entries(file.members ?? {}).map(([member, list]): [string, readonly string[]] => [
    member,
    [...new Set([...(own(data.members, member) ?? []), ...list])],
  ]);
  return {
    ...data,
    roles: { ...data.roles, ...Object.fromEntries(roles) },
    members: { ...data.members, ...Object.fromEntries(members) },
    routing: { ...data.routing, ...file.routing, ...data.routing }, // the mesh owner's first: the first that fits counts
    rules: [...(data.rules ?? []), ...rules],
  };
}

function own<V>(map: Readonly<Record<string, V>> | undefined, key: string): V | undefined {
  return map !== undefined && Object.hasOwn(map, key) ? map[key] : undefined;
}

/** Where a key stands, or what holds it. */
export function placeIn(read: ReadYaml<unknown>, where: string): Place {
  const top = read.place('');
  for (let path = where; path !== ''; path = path.replace(/(?:^|\.)[^.]*$/, '')) {
    const place = read.place(path);
    if (place.line !== top.line || place.column !== top.column) {
      return place;
    }
  }
  return top;
}

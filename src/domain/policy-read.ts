/**
 * Reading a policy: everything that is wrong with it, each with its place; and what it says, as data.
 */
import { createHash } from 'node:crypto';
import { limits } from '../wire/limits.js';
import { compileBudgets } from './budget/compile.js';
import { breakerTroubles } from './care/breaker-rules.js';
import { retryTroubles } from './care/retries.js';
import { policyShape } from './config/policy-shape.js';
import { routingTroubles } from './config/routing-shape.js';
import { readYaml, type Problem, type ReadYaml } from './config/yaml.js';
import { issuerTroubles } from './grants/issuers.js';
import { nearNames } from './near.js';
import type { Members } from './budget/teams.js';
import type { MainFile } from './owners/limits.js';
import { dataOf, placeIn, readOwners, type OwnedFiles } from './owners/read.js';
import type { PolicyData } from './policy-data.js';
import { compileLimits } from './rate/limits.js';
import { compileRules } from './rules/compile.js';
import type { Rule } from './rules/types.js';
import { atOnce } from './slices.js';

/** A policy that was read. Where there are problems it is none. */
export interface ReadPolicy {
  readonly data: PolicyData;
  /** Digest of its text, and of the files of its owners. */
  readonly digest: string;
  /** Its rules, compiled. */
  readonly rules: readonly Rule[];
  readonly problems: readonly Problem[];
}

/** Read a policy with the files of its owners. Never throws: see `problems`. */
export function readPolicy(text: string, file: string, owned: OwnedFiles = {}): ReadPolicy {
  const bytes = [text, ...Object.values(owned)].reduce((sum, one) => sum + Buffer.byteLength(one), 0);
  const large = bytes > limits.policyBytes;
  const read = readYaml<MainFile>(large ? 'version: 1' : text, file, policyShape);
  const { roles = {}, rules: sources = [], owners = {}, routing = {} } = read.value;
  const problems = [
    ...read.problems,
    ...foreignRoles(read, file),
    ...wrongIssuers(read, file),
    ...wrongCare(read, file),
    ...foreignPriorities(read, file),
  ];
  const say = (where: string, why: string): void =>
    void problems.push({ file, where, why, ...placeIn(read, where) });
  if (large) {
    say('its size', `it has ${bytes} bytes, allowed are ${limits.policyBytes}`);
  }
  routingTroubles(routing).forEach(([where, why]) => say(where, why));
  compileLimits(read.value.rates, say);
  const rules = atOnce(compileRules(sources, new Set(Object.keys(roles)), say));
  const members = membersOf(read.value);
  compileBudgets(read.value.budgets, read.value.prices, members, (where, why) => {
    // What was wrong there was left out: what is missing now only follows from it.
    if (!read.problems.some((one) => one.where.startsWith(where))) {
      say(where, why);
    }
  });
  const names = Object.keys(owners);
  if (names.length > limits.owners) {
    say('owners', `there are ${names.length} owners, allowed are ${limits.owners}`);
  }
  if (names.length === 0 || names.length > limits.owners) {
    return { data: dataOf(read.value), digest: digestOf(text), problems, rules };
  }
  const all = readOwners(read, file, owned);
  if (rules.length + all.rules.length > limits.rules) {
    say('owners', `there are more than ${limits.rules} rules in all files together`);
  }
  const digest = digestOf(
    text,
    ...Object.values(owners).flatMap(({ file: path = '' }) => [path, owned[path] ?? '']),
  );
  return {
    data: all.data,
    digest,
    problems: [...problems, ...all.problems],
    rules: [...rules, ...all.rules],
  };
}

/** Teams and approvers of budgets are judged by the roles of the mesh owner alone. */
function membersOf({ roles = {}, members = {} }: MainFile): Members {
  const names = new Map(Object.entries(members));
  return { known: new Set(Object.keys(roles)), rolesOf: (name) => names.get(name) ?? [] };
}

/** Breakers and retries that cannot be meant. */
function wrongCare(read: ReadYaml<MainFile>, file: string): Problem[] {
  const { breakers = {}, retries = {} } = read.value;
  const troubles = [
    ...breakerTroubles(breakers).map(([key, why]) => [`breakers.${key}`, why] as const),
    ...retryTroubles(retries).map(([key, why]) => [`retries.${key}`, why] as const),
  ];
  return troubles.map(([where, why]) => ({ file, where, why, ...placeIn(read, where) }));
}

function wrongIssuers(read: ReadYaml<MainFile>, file: string): Problem[] {
  return issuerTroubles(read.value.issuers ?? {}).map(([name, why]) => {
    const where = `issuers.${name}`;
    return { file, where, why, ...read.place(where) };
  });
}

/** Roles of members that do not exist. */
function foreignRoles(read: ReadYaml<MainFile>, file: string): Problem[] {
  const { roles = {}, members = {} } = read.value;
  return Object.entries(members).flatMap(([name, list]) =>
    list.flatMap((role, i) => {
      const near = nearNames(role, Object.keys(roles))[0];
      const why = `there is no role ${role}${near === undefined ? '' : `; did you mean ${near}?`}`;
      const where = `members.${name}`;
      return Object.hasOwn(roles, role) ? [] : [{ file, where, why, ...read.place(`${where}[${i}]`) }];
    }),
  );
}

/** Roles in `priorities` that do not exist. */
function foreignPriorities(read: ReadYaml<MainFile>, file: string): Problem[] {
  const { roles = {}, priorities = {} } = read.value;
  return Object.entries(priorities).flatMap(([name, list]) =>
    list.flatMap((role, i) => {
      const where = `priorities.${name}[${i}]`;
      const why = `there is no role ${role} in this file`;
      return Object.hasOwn(roles, role) ? [] : [{ file, where, why, ...read.place(where) }];
    }),
  );
}

/** The lengths keep apart what belongs to which text. */
function digestOf(text: string, ...more: readonly string[]): string {
  const hash = createHash('sha256').update(text);
  more.forEach((one) => hash.update(`\n${Buffer.byteLength(one)}\n${one}`));
  return hash.digest('base64url').slice(0, 16);
}

/**
 * Reading a policy: everything that is wrong with it, each with its place; and what it says, as data.
 */
import { createHash } from 'node:crypto';
import { limits } from '../wire/limits.js';
import { policyShape } from './config/policy-shape.js';
import type { ValueOf } from './config/shape.js';
import { readYaml, type Place, type Problem, type ReadYaml } from './config/yaml.js';
import { issuerTroubles } from './grants/issuers.js';
import { nearNames } from './near.js';
import type { PolicyData } from './policy-data.js';
import { compileRules } from './rules/compile.js';
import type { Rule, RuleSource } from './rules/types.js';
import { atOnce } from './slices.js';

/** A policy that was read. Where there are problems it is none. */
export interface ReadPolicy {
  readonly data: PolicyData;
  /** Digest of its text. */
  readonly digest: string;
  /** Its rules, compiled. */
  readonly rules: readonly Rule[];
  readonly problems: readonly Problem[];
}

type PolicyFile = ValueOf<typeof policyShape>;

/** Read a policy. Never throws: see `problems`. */
export function readPolicy(text: string, file: string): ReadPolicy {
  const bytes = Buffer.byteLength(text);
  const large = bytes > limits.policyBytes;
  const read = readYaml<PolicyFile>(large ? 'version: 1' : text, file, policyShape);
  const { roles = {}, issuers = {}, rules = [] } = read.value;
  const wrong = issuerTroubles(issuers).map(([name, why]) => {
    const where = `issuers.${name}`;
    return { file, where, why, ...read.place(where) };
  });
  const problems = [...read.problems, ...foreignRoles(read, file), ...wrong];
  if (large) {
    const why = `it has ${bytes} bytes, allowed are ${limits.policyBytes}`;
    problems.push({ file, where: 'its size', why, line: 1, column: 1 });
  }
  const compiled = atOnce(
    compileRules(rules, new Set(Object.keys(roles)), (where, why) =>
      problems.push({ file, where, why, ...placeIn(read, where) }),
    ),
  );
  // A rule without name or effect is a problem; where there is none, all have both.
  const data = { ...read.value, rules: rules as readonly RuleSource[] };
  return { data, digest: digestOf(text), problems, rules: compiled };
}

/** Roles of members that do not exist. */
function foreignRoles(read: ReadYaml<PolicyFile>, file: string): Problem[] {
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

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 16);
}

/** Where a key stands, or what holds it. */
function placeIn(read: ReadYaml<unknown>, where: string): Place {
  const top = read.place('');
  for (let path = where; path !== ''; path = path.replace(/(?:^|\.)[^.]*$/, '')) {
    const place = read.place(path);
    if (place.line !== top.line || place.column !== top.column) {
      return place;
    }
  }
  return top;
}

/**
 * Policy: who may call and serve what, from `mesh.policy.yaml`. Default deny: what no role lists is refused, and a
 * member without a role may do nothing (D10).
 */
import { createHash } from 'node:crypto';
import { limits } from '../wire/limits.js';
import { matches } from '../wire/names.js';
import { policyShape, type roleShape } from './config/policy-shape.js';
import type { ValueOf } from './config/shape.js';
import { problemError, readYaml, type Place, type ReadYaml } from './config/yaml.js';
import { issuerTroubles, type Issuers } from './grants/issuers.js';
import { nearNames } from './near.js';
import type { RoutingPolicy } from './routing.js';
import { compileRules } from './rules/compile.js';
import { Rules } from './rules/rules.js';
import type { Rule } from './rules/types.js';

interface Role {
  readonly call: readonly string[];
  readonly serve: readonly string[];
  readonly mayRoot: boolean;
}

const CACHE = 50_000;

/** A compiled policy; immutable. */
export class Policy {
  /** Digest of the file's text: it stands in every decision. */
  readonly digest: string;
  /** Who may issue grants beside the mesh itself: public nkeys by name. */
  readonly issuers: Issuers;
  /** Its rules; undefined when it has none. */
  readonly rules: Rules | undefined;
  readonly #members: ReadonlyMap<string, readonly Role[]>;
  readonly #routing: readonly (readonly [pattern: string, policy: RoutingPolicy])[];
  readonly #cache = new Map<string, boolean>();
  readonly #routes = new Map<string, RoutingPolicy>();

  constructor(
    digest: string,
    members: ReadonlyMap<string, readonly Role[]>,
    routing: readonly (readonly [string, RoutingPolicy])[],
    issuers: Issuers,
    rules?: Rules,
  ) {
    this.issuers = issuers;
    this.digest = digest;
    this.rules = rules;
    this.#members = members;
    this.#routing = routing;
  }

  /** May the member call the capability: by a role, or by a rule, if the call meets its condition? */
  mayCall(member: string, capability: string): boolean {
    return this.mayByRole(member, capability) || (this.rules?.mayAllow(member, capability) ?? false);
  }

  /** Does a role of the member list the capability under `call`? */
  mayByRole(member: string, capability: string): boolean {
    return this.#may('call', member, capability);
  }

  /** May the member serve the capability? */
  mayServe(member: string, capability: string): boolean {
    return this.#may('serve', member, capability);
  }

  /** May the member start a call of its own (without a ticket)? */
  mayRoot(member: string): boolean {
    return this.#members.get(member)?.some((r) => r.mayRoot) ?? false;
  }

  /** How calls of the capability choose an instance. */
  routingOf(capability: string): RoutingPolicy {
    let policy = this.#routes.get(capability);
    if (policy === undefined) {
      policy = this.#routing.find(([pattern]) => matches(pattern, capability))?.[1] ?? 'least-loaded';
      remember(this.#routes, capability, policy);
    }
    return policy;
  }

  #may(what: 'call' | 'serve', member: string, capability: string): boolean {
    const key = `${what} ${member} ${capability}`;
    let may = this.#cache.get(key);
    if (may === undefined) {
      may = this.#members.get(member)?.some((r) => r[what].some((p) => matches(p, capability))) ?? false;
      remember(this.#cache, key, may);
    }
    return may;
  }
}

/** Compile the text of a policy file. Throws config_invalid with the place of the first error. */
export function compilePolicy(text: string, file: string): Policy {
  const { value, problems, rules } = readPolicy(text, file);
  if (problems.length > 0) {
    throw problemError(problems);
  }
  const roles = new Map(Object.entries(value.roles ?? {}).map(([name, role]) => [name, roleOf(role)]));
  const members = Object.entries(value.members ?? {}).map(([name, list]): [string, Role[]] => [
    name,
    list.flatMap((role) => roles.get(role) ?? []),
  ]);
  const roleNames = new Map(Object.entries(value.members ?? {}));
  return new Policy(
    createHash('sha256').update(text).digest('base64url').slice(0, 16),
    new Map(members),
    Object.entries(value.routing ?? {}),
    new Map(Object.entries(value.issuers ?? {})),
    rules.length === 0 ? undefined : new Rules(rules, (member) => roleNames.get(member) ?? []),
  );
}

/** A policy that was read: its rules are compiled. */
export interface ReadPolicy extends ReadYaml<PolicyFile> {
  readonly rules: readonly Rule[];
}

/** Read a policy: everything that is wrong with it. */
export function readPolicy(text: string, file: string): ReadPolicy {
  const bytes = Buffer.byteLength(text);
  const large = bytes > limits.policyBytes;
  const read = readYaml<PolicyFile>(large ? 'version: 1' : text, file, policyShape);
  const { roles = {}, members = {}, issuers = {}, rules = [] } = read.value;
  const foreign = Object.entries(members).flatMap(([name, list]) =>
    list.flatMap((role, i) => {
      const near = nearNames(role, Object.keys(roles))[0];
      const why = `there is no role ${role}${near === undefined ? '' : `; did you mean ${near}?`}`;
      const where = `members.${name}`;
      return Object.hasOwn(roles, role) ? [] : [{ file, where, why, ...read.place(`${where}[${i}]`) }];
    }),
  );
  const wrong = issuerTroubles(issuers).map(([name, why]) => {
    const where = `issuers.${name}`;
    return { file, where, why, ...read.place(where) };
  });
  const problems = [...read.problems, ...foreign, ...wrong];
  if (large) {
    const why = `it has ${bytes} bytes, allowed are ${limits.policyBytes}`;
    problems.push({ file, where: 'its size', why, line: 1, column: 1 });
  }
  const compiled = compileRules(rules, new Set(Object.keys(roles)), (where, why) =>
    problems.push({ file, where, why, ...placeIn(read, where) }),
  );
  return { ...read, problems, rules: compiled };
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

/** What the file says. */
type PolicyFile = ValueOf<typeof policyShape>;

function roleOf({ call = [], serve = [], mayRoot = false }: ValueOf<typeof roleShape>): Role {
  return { call, serve, mayRoot };
}

/** Remember within a bound: a full cache is emptied, which costs one round of look-ups. */
function remember<V>(cache: Map<string, V>, key: string, value: V): void {
  if (cache.size >= CACHE) {
    cache.clear();
  }
  cache.set(key, value);
}

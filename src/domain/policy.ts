/**
 * Policy: who may call and serve what, from `mesh.policy.yaml`. Default deny: what no role lists is refused, and a
 * member without a role may do nothing (D10).
 */
import { meshError } from '../wire/errors.js';
import { matches } from '../wire/names.js';
import { careOf, type Care } from './care/care.js';
import { Traffic } from './rate/traffic.js';
import { compileBudgets } from './budget/compile.js';
import type { BudgetPlan } from './budget/plan.js';
import { problemError } from './config/yaml.js';
import type { Issuers } from './grants/issuers.js';
import type { PolicyData, RoleData } from './policy-data.js';
import type { OwnedFiles } from './owners/read.js';
import { readPolicy, type ReadPolicy } from './policy-read.js';
import { routeOf, type Route } from './routing/route.js';
import { compileRules, type Report } from './rules/compile.js';
import type { Condition } from './rules/condition.js';
import { Rules } from './rules/rules.js';
import type { Rule } from './rules/types.js';
import type { Steps } from './slices.js';

interface Role {
  readonly call: readonly string[];
  readonly serve: readonly string[];
  /** Patterns of the capabilities with which its members may begin a tree of calls. */
  readonly roots: readonly string[];
}

/** What a policy is made of. */
interface PolicyParts {
  readonly digest: string;
  readonly members: ReadonlyMap<string, readonly Role[]>;
  /** Names of each member's roles. */
  readonly roleNames: ReadonlyMap<string, readonly string[]>;
  /** Owners of the roles that are not of the mesh owner; empty without owners. */
  readonly roleOwners: ReadonlyMap<string, string>;
  readonly rules: readonly Rule[];
  /** The first pattern that fits counts. */
  readonly routing: readonly (readonly [pattern: string, route: Route])[];
  readonly issuers: Issuers;
  readonly budgets: BudgetPlan | undefined;
  readonly care: Care;
  readonly traffic: Traffic;
  readonly meters: ReadonlySet<string>;
}

const CACHE = 50_000;
/** How calls are given out where the policy says nothing. */
const UNSAID = routeOf('least-loaded');

/** A compiled policy; immutable. */
export class Policy {
  /** Digest of the file's text: it stands in every decision. */
  readonly digest: string;
  /** Its rules; undefined when it has none. */
  readonly rules: Rules | undefined;
  /** Whose calls go first. */
  readonly traffic: Traffic;
  /** Who may issue grants beside the mesh itself: public nkeys by name. */
  readonly issuers: Issuers;
  /** When trees of calls are stopped because they go in circles. */
  readonly loops: Care['loops'];
  /** When agents get no calls for a while. */
  readonly breakers: Care['breakers'];
  /** When failed calls are tried again. */
  readonly retries: Care['retries'];
  /** What calls reserve and are charged; undefined when it names no budgets. */
  readonly budgets: BudgetPlan | undefined;
  /** Agents whose usage counts as measured. */
  readonly meters: ReadonlySet<string>;
  readonly #members: PolicyParts['members'];
  readonly #roleNames: PolicyParts['roleNames'];
  readonly #roleOwners: PolicyParts['roleOwners'];
  readonly #seen = new Map<string, readonly string[]>();
  readonly #routing: PolicyParts['routing'];
  readonly #cache = new Map<string, boolean>();
  readonly #routes = new Map<string, Route>();

  constructor(parts: PolicyParts) {
    this.digest = parts.digest;
    this.issuers = parts.issuers;
    this.loops = parts.care.loops;
    this.breakers = parts.care.breakers;
    this.retries = parts.care.retries;
    this.budgets = parts.budgets;
    this.meters = parts.meters;
    this.traffic = parts.traffic;
    this.#members = parts.members;
    this.#routing = parts.routing;
    this.#roleNames = parts.roleNames;
    this.#roleOwners = parts.roleOwners;
    const seen = (member: string, owner: string | undefined) => this.#rolesSeen(member, owner);
    this.rules = parts.rules.length === 0 ? undefined : new Rules(parts.rules, seen);
  }

  /** May the member call the capability: by a role, or by a rule, if the call meets its condition? */
  mayCall(member: string, capability: string): boolean {
    return this.mayByRole(member, capability) || (this.rules?.mayAllow(member, capability) ?? false);
  }

  /** Does a role of the member list the capability under `call`? */
  mayByRole(member: string, capability: string): boolean {
    return this.#may('call', member, capability);
  }

  /** Everybody that the policy names. */
  members(): Iterable<string> {
    return this.#members.keys();
  }

  /** Names of the member's roles. */
  rolesOf(member: string): readonly string[] {
    return this.#roleNames.get(member) ?? [];
  }

  /** Patterns that the member's roles list. */
  rightsOf(member: string): { readonly call: readonly string[]; readonly serve: readonly string[] } {
    const roles = this.#members.get(member) ?? [];
    return { call: roles.flatMap((r) => r.call), serve: roles.flatMap((r) => r.serve) };
  }

  /** May the member serve the capability? */
  mayServe(member: string, capability: string): boolean {
    return this.#may('serve', member, capability);
  }

  /** May the member start a call of its own (without a ticket) of this capability? */
  mayRoot(member: string, capability: string): boolean {
    const fits = (pattern: string): boolean => pattern === '>' || matches(pattern, capability);
    return this.#members.get(member)?.some(({ roots }) => roots.some(fits)) ?? false;
  }

  /** Patterns of the capabilities with which the member may start a call of its own. */
  rootsOf(member: string): readonly string[] {
    return (this.#members.get(member) ?? []).flatMap((r) => r.roots);
  }

  /** How calls of the capability choose an instance: the same object as long as the policy stands. */
  routingOf(capability: string): Route {
    let route = this.#routes.get(capability);
    if (route === undefined) {
      route = this.#routing.find(([pattern]) => matches(pattern, capability))?.[1] ?? UNSAID;
      remember(this.#routes, capability, route);
    }
    return route;
  }

  /** A rule sees the roles of the mesh owner and those of its own owner: no file bends what another one says. */
  #rolesSeen(member: string, owner: string | undefined): readonly string[] {
    if (this.#roleOwners.size === 0) {
      return this.rolesOf(member);
    }
    const key = `${owner ?? ''} ${member}`;
    let seen = this.#seen.get(key);
    if (seen === undefined) {
      seen = this.rolesOf(member).filter((role) => [undefined, owner].includes(this.#roleOwners.get(role)));
      remember(this.#seen, key, seen);
    }
    return seen;
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

/** Compile a policy file with those of its owners. Throws config_invalid with the place of the first error. */
export function compilePolicy(text: string, file: string, owned: OwnedFiles = {}): Policy {
  return policyFrom(readPolicy(text, file, owned));
}

/** The policy that was read. Throws config_invalid with the place of the first problem. */
export function policyFrom({ data, digest, problems, rules }: ReadPolicy): Policy {
  if (problems.length > 0) {
    throw problemError(problems);
  }
  return policyOf(data, digest, rules);
}

/**
 * Compile what was read and checked before, rule by rule. What stands in the policy `before` as well is taken from
 * there. Throws config_invalid.
 */
export function* compileData(data: PolicyData, digest: string, before?: Policy): Steps<Policy> {
  const known = new Set(Object.keys(data.roles ?? {}));
  const report = (where: string, why: string): never => {
    throw meshError('config_invalid', { file: 'the policy of the mesh', where, why });
  };
  const rules = yield* compileRules(data.rules ?? [], known, report, conditionsOf(before));
  return policyOf(data, digest, rules, report);
}

function conditionsOf(policy: Policy | undefined): Map<string, Condition> {
  const conditions = (policy?.rules?.list ?? []).flatMap(({ condition }) => condition ?? []);
  return new Map(conditions.map((one) => [one.text, one]));
}

function policyOf(
  data: PolicyData,
  digest: string,
  rules: readonly Rule[],
  report: Report = () => undefined,
): Policy {
  const roles = new Map(Object.entries(data.roles ?? {}).map(([name, role]) => [name, roleOf(role)]));
  const roleNames = new Map(Object.entries(data.members ?? {}));
  const members = [...roleNames].map(
    ([name, list]) => [name, list.flatMap((r) => roles.get(r) ?? [])] as const,
  );
  const roleOwners = Object.entries(data.roles ?? {}).flatMap(([name, { owner }]) =>
    owner === undefined ? [] : [[name, owner] as const],
  );
  const who = { known: new Set(roles.keys()), rolesOf: (name: string) => roleNames.get(name) ?? [] };
  return new Policy({
    digest,
    members: new Map(members),
    roleNames,
    roleOwners: new Map(roleOwners),
    rules,
    routing: Object.entries(data.routing ?? {}).map(([pattern, route]) => [pattern, routeOf(route)] as const),
    issuers: new Map(Object.entries(data.issuers ?? {})),
    budgets: compileBudgets(data.budgets, data.prices, who, report),
    care: careOf(data),
    traffic: new Traffic(data, roleNames, report),
    meters: new Set(data.meters ?? []),
  });
}

function roleOf({ call = [], serve = [], mayRoot = false, within = ['>'] }: RoleData): Role {
  return { call, serve, roots: mayRoot ? within : [] };
}

/** Remember within a bound: a full cache is emptied, which costs one round of look-ups. */
function remember<V>(cache: Map<string, V>, key: string, value: V): void {
  if (cache.size >= CACHE) {
    cache.clear();
  }
  cache.set(key, value);
}

/**
 * Policy: who may call and serve what, from `mesh.policy.yaml`. Default deny: what no role lists is refused, and a
 * member without a role may do nothing (D10).
 */
import { createHash } from 'node:crypto';
import { parseDocument } from 'yaml';
import { meshError } from '../wire/errors.js';
import { isPattern, isToken, matches } from '../wire/names.js';
import { readIssuers, type Issuers } from './grants/issuers.js';
import type { RoutingPolicy } from './routing.js';

interface Role {
  readonly call: readonly string[];
  readonly serve: readonly string[];
  readonly mayRoot: boolean;
}

const ROUTING = new Set<string>(['round-robin', 'least-loaded']);
const CACHE = 50_000;

/** A compiled policy; immutable. */
export class Policy {
  /** Digest of the file's text: it stands in every decision. */
  readonly digest: string;
  /** Who may issue grants beside the mesh itself: public nkeys by name. */
  readonly issuers: Issuers;
  readonly #members: ReadonlyMap<string, readonly Role[]>;
  readonly #routing: readonly (readonly [pattern: string, policy: RoutingPolicy])[];
  readonly #cache = new Map<string, boolean>();
  readonly #routes = new Map<string, RoutingPolicy>();

  constructor(
    digest: string,
    members: ReadonlyMap<string, readonly Role[]>,
    routing: readonly (readonly [string, RoutingPolicy])[],
    issuers: Issuers,
  ) {
    this.issuers = issuers;
    this.digest = digest;
    this.#members = members;
    this.#routing = routing;
  }

  /** May the member call the capability? */
  mayCall(member: string, capability: string): boolean {
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
  const doc = parseDocument(text, { uniqueKeys: true, maxAliasCount: 0 } as never);
  const first = doc.errors[0];
  if (first !== undefined) {
    throw meshError('config_invalid', {
      file,
      where: `line ${first.linePos?.[0].line ?? '?'}`,
      why: first.message.split('\n')[0],
    });
  }
  const reader = new Reader(file);
  const top = reader.map(doc.toJS(), '/', ['version', 'roles', 'members', 'routing', 'issuers']);
  if (top['version'] !== 1) {
    reader.refuse('/version', 'it must be 1');
  }
  const roles = new Map(
    Object.entries(reader.map(top['roles'] ?? {}, '/roles')).map(([k, v]) => [
      k,
      reader.role(v, `/roles/${k}`),
    ]),
  );
  const members = new Map<string, readonly Role[]>();
  for (const [name, list] of Object.entries(reader.map(top['members'] ?? {}, '/members'))) {
    const at = `/members/${name}`;
    if (!isToken(name)) {
      reader.refuse(at, 'it is not a name');
    }
    members.set(
      name,
      reader.strings(list, at).map((r) => roles.get(r) ?? reader.refuse(at, `there is no role ${r}`)),
    );
  }
  return new Policy(
    createHash('sha256').update(text).digest('base64url').slice(0, 16),
    members,
    reader.routing(top['routing'] ?? {}),
    readIssuers(top['issuers'] ?? {}, (where, why) => reader.refuse(where, why)),
  );
}

class Reader {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  refuse(where: string, why: string): never {
    throw meshError('config_invalid', { file: this.#file, where, why });
  }

  map(value: unknown, where: string, keys?: readonly string[]): Record<string, unknown> {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.refuse(where, 'it must be a map');
    }
    const unknown = keys === undefined ? undefined : Object.keys(value).find((k) => !keys.includes(k));
    if (unknown !== undefined) {
      this.refuse(
        `${where === '/' ? '' : where}/${unknown}`,
        `there is no such key (known: ${keys?.join(', ')})`,
      );
    }
    return value as Record<string, unknown>;
  }

  strings(value: unknown, where: string): string[] {
    if (!Array.isArray(value) || !value.every((v) => typeof v === 'string')) {
      this.refuse(where, 'it must be a list of strings');
    }
    return value;
  }

  patterns(value: unknown, where: string): string[] {
    const list = this.strings(value, where);
    const bad = list.find((p) => !isPattern(p));
    return bad === undefined
      ? list
      : this.refuse(where, `${JSON.stringify(bad)} is not a capability pattern`);
  }

  role(value: unknown, where: string): Role {
    const m = this.map(value, where, ['call', 'serve', 'mayRoot']);
    const mayRoot = m['mayRoot'] ?? false;
    if (typeof mayRoot !== 'boolean') {
      this.refuse(`${where}/mayRoot`, 'it must be true or false');
    }
    return {
      call: this.patterns(m['call'] ?? [], `${where}/call`),
      serve: this.patterns(m['serve'] ?? [], `${where}/serve`),
      mayRoot,
    };
  }

  routing(value: unknown): [string, RoutingPolicy][] {
    return Object.entries(this.map(value, '/routing')).map(([pattern, policy]) => {
      if (!isPattern(pattern) || typeof policy !== 'string' || !ROUTING.has(policy)) {
        this.refuse(`/routing/${pattern}`, 'it must map a capability pattern to round-robin or least-loaded');
      }
      return [pattern, policy as RoutingPolicy];
    });
  }
}

/** Remember within a bound: a full cache is emptied, which costs one round of look-ups. */
function remember<V>(cache: Map<string, V>, key: string, value: V): void {
  if (cache.size >= CACHE) {
    cache.clear();
  }
  cache.set(key, value);
}

/**
 * From the claims of a token to a name and a role of the mesh.
 */
import { meshError } from '../wire/errors.js';
import { isToken, reservedNames } from '../wire/names.js';
import { isSessionRole, type Identified, type SessionRole } from '../wire/session-role.js';
import type { Reader } from './identity-reader.js';

/** Where a name comes from. */
export interface NameRule {
  readonly claim: string;
  readonly prefix: string;
  /** With it, values that it does not list give no name. */
  readonly map: ReadonlyMap<string, string> | undefined;
}

/** Where a role comes from: from a claim, or it is always the same. */
export type RoleRule =
  { readonly is: SessionRole } | { readonly claim: string; readonly map: ReadonlyMap<string, SessionRole> };

/** What an issuer's claims stand for. */
export interface Claims {
  readonly names: NameRule;
  readonly roles: RoleRule;
}

/** Read `name` and `role` of an issuer. Throws `config_invalid`. */
export function readClaims(one: Reader): Claims {
  return { names: readName(one), roles: readRole(one) };
}

function readName(one: Reader): NameRule {
  if (typeof one.value('name') === 'string') {
    return { claim: one.text('name'), prefix: '', map: undefined };
  }
  const name = one.inner('name', ['claim', 'prefix', 'map']);
  const prefix = name.value('prefix') === undefined ? '' : name.text('prefix');
  const map = name.value('map') === undefined ? undefined : name.mapping('map');
  if (prefix !== '' && !isToken(prefix)) {
    name.refuse('/prefix', 'it must be of a-z 0-9 _ -');
  }
  if (map !== undefined && prefix !== '') {
    name.refuse('/prefix', 'a map gives whole names, so there is nothing to put it before');
  }
  for (const [value, given] of map ?? []) {
    if (!isFree(given)) {
      name.refuse(`/map/${value}`, `${JSON.stringify(given)} is no name for an agent or a caller`);
    }
  }
  return { claim: name.text('claim'), prefix, map };
}

function readRole(one: Reader): RoleRule {
  const value = one.value('role');
  if (typeof value === 'string') {
    return { is: asRole(one, '/role', value) };
  }
  const role = one.inner('role', ['claim', 'map']);
  const map = [...role.mapping('map')].map(
    ([claimed, given]) => [claimed, asRole(role, `/map/${claimed}`, given)] as const,
  );
  return { claim: role.text('claim'), map: new Map(map) };
}

function asRole(one: Reader, where: string, value: string): SessionRole {
  return isSessionRole(value) ? value : one.refuse(where, 'it must be caller, agent or viewer');
}

/** A name that a proof may give. */
export function isFree(name: string): boolean {
  return isToken(name) && !reservedNames.has(name) && name !== 'identity';
}

/** Who the claims stand for. Throws `token_unnamed`. */
export function identify(rules: Claims, claims: Readonly<Record<string, unknown>>): Identified {
  return { name: nameOf(rules.names, claims), role: roleOf(rules.roles, claims) };
}

function nameOf({ claim, prefix, map }: NameRule, claims: Readonly<Record<string, unknown>>): string {
  const value = claimed(claims, claim);
  // An empty claim is nobody, whatever stands before it.
  const said = typeof value === 'string' && value !== '' ? value : undefined;
  const name = said === undefined ? undefined : map === undefined ? prefix + said : map.get(said);
  if (name === undefined || !isFree(name)) {
    throw unnamed('name', claim, value);
  }
  return name;
}

function roleOf(rule: RoleRule, claims: Readonly<Record<string, unknown>>): SessionRole {
  if ('is' in rule) {
    return rule.is;
  }
  const value = claimed(claims, rule.claim);
  const values = new Set<unknown>(Array.isArray(value) ? value : [value]);
  // The first line of the file that fits, so that its order decides and not the token's.
  for (const [wanted, role] of rule.map) {
    if (values.has(wanted)) {
      return role;
    }
  }
  throw unnamed('role', rule.claim, value);
}

/** A claim by its name, else by its path (`realm_access.roles`). */
function claimed(claims: Readonly<Record<string, unknown>>, path: string): unknown {
  if (Object.hasOwn(claims, path)) {
    return claims[path];
  }
  let value: unknown = claims;
  for (const key of path.split('.')) {
    value =
      typeof value === 'object' && value !== null && Object.hasOwn(value, key)
        ? (value as Readonly<Record<string, unknown>>)[key]
        : undefined;
  }
  return value;
}

const SHOWN = 64;

function unnamed(what: string, claim: string, value: unknown): Error {
  const shown = value === undefined ? 'missing' : (JSON.stringify(value) ?? '').slice(0, SHOWN);
  return meshError('token_unnamed', { what, why: `the claim ${claim} is ${shown}` });
}

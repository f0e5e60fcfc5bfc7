/**
 * The users of a mesh. `users.json` is the truth (names, roles, public keys); `users.conf`, which the server includes,
 * is rendered from it and from the generated permissions; each seed lies in a file of its own.
 */
import { join } from 'node:path';
import { meshError } from '../wire/errors.js';
import { permissions, permissionsOf, type Role } from '../wire/generated/permissions.js';
import { asToken, isToken } from '../wire/names.js';
import { isSessionRole } from '../wire/session-role.js';
import { asksIdentity, writeCallout, writeNoCallout } from './callout-conf.js';
import { folderError, locked, places, prepareFolder, readJson, textIfAny, writeWhole } from './folder.js';
import { createUserKey, publicKeyOf } from './keys.js';

/** A user as the server knows it. */
export interface User {
  readonly name: string;
  readonly role: Role;
  readonly publicKey: string;
}

/** What a process needs to be a user. */
export interface Credentials {
  readonly name: string;
  readonly role: Role;
  readonly seed: string;
  /** The server, for credentials that travel to another machine. */
  readonly url?: string;
}

/** Who is to be minted. */
export interface NewUser {
  readonly name: string;
  readonly role: Role;
}

/** Names that stand for "nobody" and "any of them" on the wire. */
const RESERVED = new Set(['none', 'any']);

/** Make the user, or return the credentials it has. The server must be reloaded before they work. */
export async function mintUser(dir: string, user: NewUser): Promise<Credentials> {
  const [only] = await mintUsers(dir, [user]);
  if (only === undefined) {
    throw meshError('internal', { where: 'mintUser' });
  }
  return only;
}

/** The same for many at once, with one rendering. */
export async function mintUsers(dir: string, list: readonly NewUser[]): Promise<Credentials[]> {
  list.forEach(check);
  prepareFolder(dir);
  return locked(join(dir, places.usersLock), () => {
    try {
      const known = new Map(readUsers(dir).map((user) => [user.name, user]));
      const minted = list.map((user) => mint(dir, known, user));
      writeUsers(dir, [...known.values()]);
      return minted;
    } catch (err) {
      throw folderError(dir, err);
    }
  });
}

function mint(dir: string, known: Map<string, User>, { name, role }: NewUser): Credentials {
  const had = known.get(name);
  if (had !== undefined && had.role !== role) {
    throw meshError('usage', { why: `${name} is a user already, with the role ${had.role}` });
  }
  const file = credentialsFile(dir, name);
  const old = had === undefined ? undefined : readJson(file);
  if (had !== undefined && old !== undefined) {
    const credentials = parseCredentials(old, file);
    if (publicKeyOf(credentials.seed, file) === had.publicKey) {
      return credentials;
    }
  }
  const { seed, publicKey } = createUserKey();
  const credentials: Credentials = { name, role, seed };
  writeWhole(file, `${JSON.stringify(credentials, undefined, 2)}\n`);
  writeWhole(nkeyFile(dir, name), `${seed}\n`);
  known.set(name, { name, role, publicKey });
  return credentials;
}

function check({ name, role }: NewUser): void {
  asToken(name, 'the name of a user');
  if (RESERVED.has(name)) {
    throw meshError('name_invalid', { value: JSON.stringify(name), where: 'the mesh keeps it for itself' });
  }
  if (!isRole(role)) {
    throw meshError('usage', { why: `${String(role)} is not a role` });
  }
}

/** Those of the users that the server itself knows. */
export function usersOfServer(dir: string, users: readonly User[]): readonly User[] {
  return asksIdentity(dir) ? users.filter(({ role }) => !isSessionRole(role)) : users;
}

/** Take a name out. False when there is none. The server must be reloaded before it is gone. */
export async function removeUser(dir: string, name: string): Promise<boolean> {
  return await locked(join(dir, places.usersLock), () => {
    const users = readUsers(dir);
    const left = users.filter((user) => user.name !== name);
    writeUsers(dir, left);
    return left.length < users.length;
  });
}

/** All users of the folder. */
export function readUsers(dir: string): User[] {
  const file = join(dir, places.users);
  const value = readJson(file);
  if (value === undefined) {
    return [];
  }
  const list = (value as { users?: unknown }).users;
  if (!Array.isArray(list) || !list.every(isUser)) {
    throw meshError('config_invalid', {
      file,
      where: '/users',
      why: 'an entry is not {name, role, publicKey}',
    });
  }
  return list;
}

/**
 * Write `users.json` and the rendering of it. The rendering goes last: it is what the server reads. Where identity says
 * who is who, only the parts of the mesh are rendered.
 */
export function writeUsers(dir: string, users: readonly User[]): void {
  const asks = asksIdentity(dir);
  const shown = usersOfServer(dir, users);
  const rows = users.map((user) => `    ${JSON.stringify(user)}`).join(',\n');
  writeWhole(join(dir, places.users), `{\n  "version": 1,\n  "users": [\n${rows}\n  ]\n}\n`);
  writeWhole(join(dir, places.usersConf), renderUsers(shown));
  if (asks) {
    writeCallout(
      dir,
      shown.map(({ publicKey }) => publicKey),
    );
  }
}

/** Say whether the server asks identity who connects, and render the users, whose permissions may be newer. */
export function setIdentity(dir: string, asks: boolean): void {
  if (asks) {
    writeCallout(dir, []); // the users are filled in below
  } else {
    writeNoCallout(dir);
  }
  writeUsers(dir, readUsers(dir));
}

/** The users as the server's configuration includes them. */
export function renderUsers(users: readonly User[]): string {
  const blocks = users.map((user) => indent(snippetFor(user)));
  return ['# Rendered from users.json by mesh; do not edit.', 'users: [', ...blocks, ']', ''].join('\n');
}

/** Is what the server includes what follows from the users? Nothing when the folder holds none. */
export async function renderedUsers(dir: string): Promise<{ users: number; same: boolean } | undefined> {
  const look = (): { users: number; same: boolean } => {
    const users = readUsers(dir);
    const same = textIfAny(join(dir, places.usersConf)) === renderUsers(usersOfServer(dir, users));
    return { users: users.length, same };
  };
  const first = look();
  if (first.users === 0 || first.same) {
    return first.users === 0 ? undefined : first;
  }
  // Somebody may be between writing the one and the other.
  return await locked(join(dir, places.usersLock), look).catch(() => first);
}

/** The block of one user, for a server that is not ours: it belongs into `users: [ … ]` of the account. */
export function snippetFor(user: User): string {
  const { publish, subscribe } = permissionsOf(user.role, asToken(user.name, places.users));
  return [
    `# ${user.role} ${user.name}`,
    '{',
    `  nkey: ${user.publicKey}`,
    '  permissions: {',
    `    publish: ${rights(publish)}`,
    `    subscribe: ${rights(subscribe)}`,
    '  }',
    '}',
  ].join('\n');
}

/** Allow-lists only; the server reads an empty one as "everything", so nothing is said as a denial. */
function rights(subjects: readonly string[]): string {
  return subjects.length === 0
    ? '{ deny: [">"] }'
    : `{ allow: [${subjects.map((subject) => JSON.stringify(subject)).join(', ')}] }`;
}

/** The file that holds the credentials of a name. */
export function credentialsFile(dir: string, name: string): string {
  return join(dir, places.creds, `${asToken(name, 'the name of a user')}.json`);
}

/** The file that holds the bare seed, as the `nats` command reads it. */
export function nkeyFile(dir: string, name: string): string {
  return join(dir, places.creds, `${asToken(name, 'the name of a user')}.nk`);
}

/** Read credentials from a file. */
export function loadCredentials(file: string): Credentials {
  const value = readJson(file);
  if (value === undefined) {
    throw meshError('config_missing', { what: `the credentials file ${file}` });
  }
  return parseCredentials(value, file);
}

function parseCredentials(value: unknown, file: string): Credentials {
  const c = (typeof value === 'object' && value !== null ? value : {}) as Partial<
    Record<keyof Credentials, unknown>
  >;
  if (!isToken(c.name) || !isRole(c.role) || typeof c.seed !== 'string') {
    throw meshError('config_invalid', { file, where: '/', why: 'it is not {name, role, seed}' });
  }
  publicKeyOf(c.seed, file);
  const { name, role, seed } = c;
  return typeof c.url === 'string' ? { name, role, seed, url: c.url } : { name, role, seed };
}

function isUser(value: unknown): value is User {
  const user = (typeof value === 'object' && value !== null ? value : {}) as Partial<
    Record<keyof User, unknown>
  >;
  return (
    isToken(user.name) &&
    isRole(user.role) &&
    typeof user.publicKey === 'string' &&
    /^U[A-Z2-7]{55}$/.test(user.publicKey)
  );
}

function isRole(value: unknown): value is Role {
  return typeof value === 'string' && Object.hasOwn(permissions, value);
}

function indent(text: string): string {
  return text.replace(/^/gm, '  ');
}

/**
 * The tokens of clients that come over HTTP: which user of the mesh each stands for. Only digests are kept.
 */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { watchText } from '../../fabric/file.js';
import { folderError, locked, places, readJson, writeWhole } from '../../fabric/folder.js';
import { credentialsFile, loadCredentials } from '../../fabric/users.js';
import { meshError } from '../../wire/errors.js';
import { isToken } from '../../wire/names.js';

/** One token, as it is kept. */
export interface TokenRow {
  readonly user: string;
  /** SHA-256 of the token in base64url. */
  readonly sha256: string;
  /** When it was made (ISO 8601). */
  readonly addedAt: string;
}

const PREFIX = 'mesh_';

/** All tokens of the folder. Throws config_invalid. */
export function readTokens(dir: string): TokenRow[] {
  const file = join(dir, places.tokens);
  const value = readJson(file);
  if (value === undefined) {
    return [];
  }
  const list = (value as { tokens?: unknown }).tokens;
  if (!Array.isArray(list) || !list.every(isRow)) {
    throw meshError('config_invalid', { file, where: '/tokens', why: 'it is not {user, sha256, addedAt}' });
  }
  return list;
}

/**
 * Make a token for a caller and return it; nobody can tell it again. A user has one: `replace` takes the old one out
 * of force. Throws usage, config_missing (there are no credentials of that name).
 */
export async function addToken(dir: string, user: string, replace: boolean): Promise<string> {
  const { role } = loadCredentials(credentialsFile(dir, user));
  if (role !== 'caller') {
    throw meshError('usage', { why: `${user} has the role ${role}; a token stands for a caller` });
  }
  const token = PREFIX + randomBytes(32).toString('base64url');
  await change(dir, (rows) => {
    if (!replace && rows.some((row) => row.user === user)) {
      throw meshError('usage', { why: `${user} has a token already; --replace takes it out of force` });
    }
    const others = rows.filter((row) => row.user !== user);
    return [...others, { user, sha256: digest(token), addedAt: new Date().toISOString() }];
  });
  return token;
}

/** Take a user's token out of force. Throws not_found. */
export async function removeToken(dir: string, user: string): Promise<void> {
  await change(dir, (rows) => {
    if (!rows.some((row) => row.user === user)) {
      throw meshError('not_found', { what: 'a token of', name: user });
    }
    return rows.filter((row) => row.user !== user);
  });
}

/** The tokens in force, followed as the file changes. A file that cannot be read leaves the old ones. */
export class TokenBook {
  #users: ReadonlyMap<string, string> = new Map();
  readonly #stop: () => void;

  /** Throws config_invalid. `say` hears when a later version of the file cannot be used. */
  constructor(dir: string, say: (sentence: string) => void) {
    const file = join(dir, places.tokens);
    if (!existsSync(file)) {
      write(dir, []);
    }
    const read = (): void => {
      this.#users = new Map(readTokens(dir).map(({ sha256, user }) => [sha256, user]));
    };
    read();
    this.#stop = watchText(file, () => {
      try {
        read();
      } catch (err) {
        say(`${file} cannot be used, the old tokens stay: ${String(err)}`);
      }
    }).stop;
  }

  /** How many there are. */
  get size(): number {
    return this.#users.size;
  }

  /** The user a token stands for. */
  who(token: string): string | undefined {
    return this.#users.get(digest(token));
  }

  /** Follow the file no more. */
  stop(): void {
    this.#stop();
  }
}

/** A token is 256 random bits, so a plain digest gives nothing away. */
function digest(token: string): string {
  return createHash('sha256').update(token).digest('base64url');
}

async function change(dir: string, work: (rows: TokenRow[]) => TokenRow[]): Promise<void> {
  await locked(join(dir, places.tokensLock), () => write(dir, work(readTokens(dir))));
}

function write(dir: string, rows: readonly TokenRow[]): void {
  const lines = rows.map((row) => `    ${JSON.stringify(row)}`).join(',\n');
  try {
    writeWhole(join(dir, places.tokens), `{\n  "version": 1,\n  "tokens": [\n${lines}\n  ]\n}\n`);
  } catch (err) {
    throw folderError(dir, err);
  }
}

function isRow(value: unknown): value is TokenRow {
  const row = (typeof value === 'object' && value !== null ? value : {}) as Partial<
    Record<keyof TokenRow, unknown>
  >;
  return isToken(row.user) && typeof row.sha256 === 'string' && typeof row.addedAt === 'string';
}

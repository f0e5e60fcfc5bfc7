/**
 * The access token of a connection: fetched before it is needed, because the client asks for it in the middle of a
 * handshake and cannot wait there.
 */
import { readFileSync } from 'node:fs';
import { meshError } from '../wire/errors.js';

/** A token, or where to get a fresh one. */
export type TokenSource = string | (() => string | Promise<string>);

const FETCH_MS = 10_000;

/** Holds the newest token. */
export class Token {
  readonly #source: TokenSource;
  #value = '';

  private constructor(source: TokenSource) {
    this.#source = source;
  }

  /** Fetch the first one. Throws what the source throws, and `config_missing` when it gives nothing in time. */
  static async of(source: TokenSource): Promise<Token> {
    const token = new Token(source);
    await token.refresh();
    return token;
  }

  /** What to present now. */
  get value(): string {
    return this.#value;
  }

  /** When it ends, in epoch ms, if it says so. It is our own: who checks it is the mesh. */
  get endsMs(): number {
    const [, body = ''] = this.#value.split('.');
    try {
      const { exp } = JSON.parse(Buffer.from(body, 'base64url').toString('utf8')) as { exp?: unknown };
      return typeof exp === 'number' ? exp * 1000 : Infinity;
    } catch {
      return Infinity;
    }
  }

  /** Fetch a fresh one; the former stays when that fails. Throws the same. */
  async refresh(): Promise<void> {
    const source = this.#source;
    const value = typeof source === 'string' ? source : await inTime(source);
    if (typeof value !== 'string' || value.trim() === '') {
      throw meshError('config_missing', { what: 'a token (the function gave none)' });
    }
    this.#value = value.trim();
  }
}

/** A token in a file that somebody else keeps fresh, as MESH_TOKEN_FILE names it. */
export function tokenFile(file: string): TokenSource {
  return () => readFileSync(file, 'utf8');
}

async function inTime(source: () => string | Promise<string>): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const what = `a token (the function gave none within ${FETCH_MS} ms)`;
    timer = setTimeout(() => reject(meshError('config_missing', { what })), FETCH_MS);
  });
  try {
    return await Promise.race([Promise.resolve(source()), late]);
  } finally {
    clearTimeout(timer);
  }
}

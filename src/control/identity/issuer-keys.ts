/**
 * The public keys of one issuer: fetched when first needed, kept, renewed beside the work. An issuer that is away is
 * asked again ever more seldom, and so is one that has no key of the name that a token asks for: whoever sends tokens
 * with invented names cannot make us hammer it.
 */
import { createLocalJWKSet, errors, type FlattenedJWSInput, type JWTHeaderParameters } from 'jose';
import type { Issuer } from '../../domain/identity.js';
import { meshError } from '../../wire/errors.js';
import { limits } from '../../wire/limits.js';
import { fetchJson } from './fetch-json.js';

type LocalKeys = ReturnType<typeof createLocalJWKSet>;
type FoundKey = Awaited<ReturnType<LocalKeys>>;

/** Told about the issuer coming and going. */
export type OnTrouble = (issuer: string, why: string) => void;

/** Keys of one issuer. */
export class IssuerKeys {
  readonly #issuer: Issuer;
  readonly #onTrouble: OnTrouble;
  readonly #now: () => number;
  #keys: LocalKeys | undefined;
  #fetchedMs = -Infinity;
  #nextMs = -Infinity;
  #backoffMs: number = limits.issuerBackoffMs;
  #fetching: Promise<void> | undefined;
  #why = 'not asked yet';

  constructor(issuer: Issuer, onTrouble: OnTrouble, now: () => number = () => performance.now()) {
    this.#issuer = issuer;
    this.#onTrouble = onTrouble;
    this.#now = now;
  }

  /** The key that a token names. Throws `token_key_unknown`, `token_keys_away`. For `jwtVerify`. */
  readonly find = async (header: JWTHeaderParameters, token: FlattenedJWSInput): Promise<FoundKey> => {
    const ageMs = this.#now() - this.#fetchedMs;
    if (ageMs > limits.issuerFreshMs) {
      const fetching = this.#fetch();
      if (this.#keys === undefined || ageMs > limits.issuerStaleMs) {
        await fetching;
      }
    }
    const known = await this.#among(header, token);
    if (known !== undefined) {
      return known;
    }
    await this.#fetch();
    const fresh = await this.#among(header, token);
    if (fresh !== undefined) {
      return fresh;
    }
    const { issuer } = this.#issuer;
    throw this.#why === ''
      ? meshError('token_key_unknown', { issuer, kid: shown(header.kid) })
      : meshError('token_keys_away', { issuer, why: this.#why });
  };

  async #among(header: JWTHeaderParameters, token: FlattenedJWSInput): Promise<FoundKey | undefined> {
    if (this.#keys === undefined || this.#now() - this.#fetchedMs > limits.issuerStaleMs) {
      throw meshError('token_keys_away', { issuer: this.#issuer.issuer, why: this.#why });
    }
    try {
      return await this.#keys(header, token);
    } catch (err) {
      if (err instanceof errors.JWKSNoMatchingKey || err instanceof errors.JWKSMultipleMatchingKeys) {
        return undefined;
      }
      throw err;
    }
  }

  /** Fetch, one at a time and not before the back-off is over. Never throws. */
  #fetch(): Promise<void> {
    if (this.#fetching === undefined && this.#now() >= this.#nextMs) {
      this.#fetching = this.#fetchNow().finally(() => {
        this.#nextMs = this.#now() + this.#backoffMs;
        this.#fetching = undefined;
      });
    }
    return this.#fetching ?? Promise.resolve();
  }

  async #fetchNow(): Promise<void> {
    const before = this.#fetchedMs;
    try {
      const jwks = await this.#load();
      this.#keys = createLocalJWKSet({ keys: jwks.keys });
      this.#fetchedMs = this.#now();
      this.#why = '';
      // What was fetched a moment ago and again now has brought nothing new: somebody makes us ask.
      const again = this.#fetchedMs - before < 2 * this.#backoffMs + limits.issuerBackoffMs;
      this.#backoffMs = again ? grown(this.#backoffMs) : limits.issuerBackoffMs;
    } catch (err) {
      this.#why = err instanceof Error ? err.message : String(err);
      this.#backoffMs = grown(this.#backoffMs);
      this.#onTrouble(this.#issuer.issuer, this.#why);
    }
  }

  async #load(): Promise<{ keys: object[] }> {
    const { issuer, jwks } = this.#issuer;
    const from = jwks ?? (await discover(issuer));
    const { keys } = (await fetchJson(from)) as { keys?: unknown };
    if (!Array.isArray(keys) || keys.length > limits.issuerKeys) {
      throw new Error(`${from} shows no list of at most ${limits.issuerKeys} keys`);
    }
    return { keys: keys.filter((key): key is object => typeof key === 'object' && key !== null) };
  }
}

/** Where an issuer says that its keys are. It must speak of itself, and not send us to a plain connection. */
async function discover(issuer: string): Promise<string> {
  const about = (await fetchJson(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)) as {
    issuer?: unknown;
    jwks_uri?: unknown;
  };
  const { jwks_uri: jwks } = about;
  if (about.issuer !== issuer || typeof jwks !== 'string' || !URL.canParse(jwks)) {
    throw new Error(`what ${issuer} says of itself is not about this issuer`);
  }
  if (new URL(issuer).protocol === 'https:' && new URL(jwks).protocol !== 'https:') {
    throw new Error(`${issuer} shows its keys on a plain connection`);
  }
  return jwks;
}

function grown(backoffMs: number): number {
  return Math.min(2 * backoffMs, limits.issuerBackoffMaxMs);
}

function shown(kid: unknown): string {
  return typeof kid === 'string' ? JSON.stringify(kid.slice(0, 64)) : 'without a name';
}

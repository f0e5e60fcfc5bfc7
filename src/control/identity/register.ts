/**
 * Who is registered, and who is out: the rules of what stands in `mesh_identity`.
 *
 * - `name.{name}` says which key has the name; a name without a key is a part of the mesh.
 * - `key.{key}` leads from a key to its name. It counts only while the name has that key.
 * - `enrol.{digest}` is a token that somebody may use once.
 * - `revoked.{name}` keeps a name out, whatever it proves; with an instant, only what it began up to then.
 * - `revoked.{key}` keeps a key out for good.
 */
import type { IdentityStore } from '../../fabric/identity-store.js';
import type { RevokedName } from '../../fabric/identity-watch.js';
import { meshError } from '../../wire/errors.js';
import type { Role } from '../../wire/generated/permissions.js';
import { limits } from '../../wire/limits.js';
import { isSessionRole, type Identified, type SessionRole } from '../../wire/session-role.js';

/** A user that is registered. */
export interface Registered {
  readonly name: string;
  readonly role: Role;
  /** Public nkey; missing for a part of the mesh, whose key the server has, and when the key was revoked. */
  readonly key?: string | undefined;
}

/** A user of a data folder as the register has it: the server itself knows the keys of the parts of the mesh. */
export function registered(user: {
  readonly name: string;
  readonly role: Role;
  readonly publicKey: string;
}): Registered {
  const { name, role, publicKey: key } = user;
  return isSessionRole(role) ? { name, role, key } : { name, role };
}

/** An enrolment token, without itself. */
export interface Enrolment {
  readonly name: string;
  readonly role: SessionRole;
  readonly untilMs: number;
  /** The key that used it. */
  readonly usedBy?: string;
}

interface NameRecord {
  readonly role: Role;
  readonly key?: string;
}

/** Reads and writes the register. Every method throws `unavailable` when the bucket cannot be reached. */
export class Register {
  readonly #store: IdentityStore;

  constructor(store: IdentityStore) {
    this.#store = store;
  }

  /** Register a name with its key, or with another one: the former key is nobody's then. */
  async put({ name, role, key }: Registered): Promise<void> {
    if (key !== undefined) {
      await this.#store.put(`key.${key}`, { name });
    }
    await this.#store.put(`name.${name}`, { role, ...(key === undefined ? {} : { key }) });
  }

  /** Whose key it is. Throws `key_unknown`. */
  async ofKey(key: string): Promise<Identified> {
    const { name } = ((await this.#store.get(`key.${key}`))?.value ?? {}) as { name?: string };
    const record = name === undefined ? undefined : await this.ofName(name);
    if (name === undefined || record?.key !== key || !isSessionRole(record.role)) {
      throw meshError('key_unknown', { key });
    }
    return { name, role: record.role };
  }

  /** What is registered under a name. */
  async ofName(name: string): Promise<NameRecord | undefined> {
    return (await this.#store.get(`name.${name}`))?.value as NameRecord | undefined;
  }

  /** Keep a name out from now on. */
  async revoke(name: string, by: string): Promise<void> {
    await this.#store.put(`revoked.${name}`, { atMs: Date.now(), by });
  }

  /** Keep a key out for good, and with it what its name began until now. The name may be given another key. */
  async revokeKey(name: string, key: string, by: string): Promise<void> {
    await this.#store.put(`revoked.${key}`, { atMs: Date.now(), by });
    const record = await this.ofName(name);
    if (record?.key === key) {
      await this.#store.put(`name.${name}`, { role: record.role });
    }
    if (!(await this.isRevoked(name))) {
      await this.#endUntilNow(name, by);
    }
  }

  /** Let it in again; what it began before stays out. Throws `not_found` when it was not revoked. */
  async reinstate(name: string, by: string): Promise<void> {
    if (!(await this.isRevoked(name))) {
      throw meshError('not_found', { what: 'the revocation of', name });
    }
    await this.#endUntilNow(name, by);
  }

  #endUntilNow(name: string, by: string): Promise<boolean> {
    const atMs = Date.now();
    const ttlSeconds = limits.revokedPastMs / 1_000;
    return this.#store.put(`revoked.${name}`, { atMs, by, untilMs: atMs }, { ttlSeconds });
  }

  /** Is the name, or the key, kept out? */
  async isRevoked(nameOrKey: string): Promise<boolean> {
    const record = (await this.#store.get(`revoked.${nameOrKey}`))?.value as RevokedName | undefined;
    return record !== undefined && record.untilMs === undefined;
  }

  /** Let whoever has the token of this digest enrol, once. Throws `revoked`, `name_taken`. */
  async invite(digest: string, enrolment: Enrolment): Promise<void> {
    const { name, untilMs } = enrolment;
    const [revoked, record] = await Promise.all([this.isRevoked(name), this.ofName(name)]);
    if (revoked) {
      throw meshError('revoked', { name });
    }
    if (record !== undefined && !isSessionRole(record.role)) {
      throw meshError('name_taken', { name });
    }
    const ttlSeconds = Math.max(1, (untilMs - Date.now()) / 1000);
    await this.#store.put(`enrol.${digest}`, enrolment, { ttlSeconds });
  }

  /**
   * Use an enrolment token with a key: of several that try, one wins. The winner may try again, should the answer have
   * got lost. Throws `enrolment_invalid`, `revoked` for a key that was.
   */
  async enrol(digest: string, key: string): Promise<Identified> {
    const stored = await this.#store.get(`enrol.${digest}`);
    const enrolment = stored?.value as Enrolment | undefined;
    if (stored === undefined || enrolment === undefined) {
      throw meshError('enrolment_invalid', { why: 'nobody made it, or it has ended' });
    }
    const { name, role, untilMs, usedBy } = enrolment;
    if (untilMs <= Date.now()) {
      throw meshError('enrolment_invalid', { why: 'it has ended' });
    }
    if (await this.isRevoked(key)) {
      throw meshError('revoked', { name: key });
    }
    if (usedBy !== undefined && usedBy !== key) {
      throw meshError('enrolment_invalid', { why: 'it was used' });
    }
    if (usedBy === undefined) {
      const ttlSeconds = Math.max(1, (untilMs - Date.now()) / 1000);
      const won = await this.#store.put(
        `enrol.${digest}`,
        { ...enrolment, usedBy: key },
        { after: stored.seq, ttlSeconds },
      );
      if (!won) {
        throw meshError('enrolment_invalid', { why: 'it was used' });
      }
    }
    await this.put({ name, role, key });
    return { name, role };
  }
}

/**
 * What one process knows of grants: whose keys are whose, who issues, what was revoked, and the grants it has proven
 * before. Everything here is synchronous: a guard asks, and guards never wait.
 */
import { createHash } from 'node:crypto';
import { meshError, type MeshError } from '../../wire/errors.js';
import type { DecisionRecord } from '../../wire/generated/messages.js';
import { limits } from '../../wire/limits.js';
import type { Claims } from './claims.js';
import { proveGrant } from './chain.js';
import type { Link } from './token.js';
import { IntroducedGrants, isGrantDigest } from './introduced.js';
import type { Issuers } from './issuers.js';
import { TwoGenerations } from './generations.js';

/** A grant as decisions and tickets carry it. */
export type CarriedGrant = NonNullable<DecisionRecord['grants']>[number];

/** A grant that the caller may use now. */
export interface OpenedGrant {
  readonly links: readonly Claims[];
  /** What it allows: the last link. */
  readonly last: Claims;
  /** For the record and the ticket; who presented it is added there. */
  readonly carried: Omit<CarriedGrant, 'at'>;
  /** The same as a root presents it, and nobody else: made once. */
  readonly ofRoot: readonly CarriedGrant[];
  /** For the record of the call that presents it. */
  readonly proof: NonNullable<DecisionRecord['proof']>;
  /** Size of what is carried, in characters. */
  readonly carriedSize: number;
}

interface Proven extends OpenedGrant {
  /** The key of its issuer. */
  readonly kid: string;
  /** The version of the book under which its keys and revocations were looked at. */
  checked: number;
}

/** What was revoked: the id of a link, or all that a holder held until an instant. */
export type Revocation =
  { readonly id: string; readonly atMs: number } | { readonly holder: string; readonly untilMs: number };

/** The book. */
export class GrantBook {
  /** What calls may name by its digest. */
  readonly introduced = new IntroducedGrants();
  readonly #issuersOfMesh = new Map<string, string>();
  readonly #issuers: () => Issuers;
  readonly #holders = new Map<string, string>();
  /** When each was revoked (epoch ms). */
  readonly #ids = new Map<string, number>();
  readonly #until = new Map<string, number>();
  readonly #proven = new TwoGenerations<string, Proven>(limits.grantsCached);
  #version = 0;
  #known: Issuers | undefined;

  /** `issuers` gives those of the policy that is in force. */
  constructor(issuers: () => Issuers) {
    this.#issuers = issuers;
  }

  /** The key of an issuer of the mesh itself; undefined: it issues no more. */
  setIssuer(name: string, publicKey: string | undefined): void {
    put(this.#issuersOfMesh, name, publicKey);
    this.#version++;
  }

  /** The key of a member; undefined: it is none any more. */
  setHolder(name: string, publicKey: string | undefined): void {
    put(this.#holders, name, publicKey);
    this.#version++;
  }

  /** From now on this is revoked, and all that was derived from it. */
  revoke(what: Revocation): void {
    if ('id' in what) {
      this.#ids.set(what.id, what.atMs);
      this.#forgetOver(what.atMs);
    } else {
      this.#until.set(what.holder, Math.max(what.untilMs, this.#until.get(what.holder) ?? 0));
    }
    this.#version++;
  }

  /** When there are many: what was revoked so long ago that no grant is left that it could be about. */
  #forgetOver(nowMs: number): void {
    if (this.#ids.size > limits.revocations && this.#ids.size % 1_000 === 0) {
      for (const [id, atMs] of this.#ids) {
        if (atMs < nowMs - limits.revocationMs) {
          this.#ids.delete(id);
        }
      }
    }
  }

  /** Was anything revoked yet? */
  get hasRevoked(): boolean {
    return this.#ids.size + this.#until.size > 0;
  }

  /**
   * Open a grant, its text or its digest, for whoever presents it.
   * Throws grant_unknown (nobody introduced that digest), grant_unreadable, grant_too_large, grant_unproven, grant_broken, grant_widened, grant_holder, grant_revoked,
   * grant_early, grant_expired; each names link and dimension.
   */
  open(presented: string, who: string, nowMs: number): OpenedGrant {
    const issuers = this.#issuers();
    if (issuers !== this.#known) {
      this.#known = issuers;
      this.#version++;
    }
    const proven = this.#provenOf(presented);
    if (proven.last.delegatee !== who) {
      const why = `it was made for ${proven.last.delegatee}`;
      throw meshError('grant_holder', { link: proven.links.length, who, dimension: 'delegatee', why });
    }
    if (proven.checked !== this.#version) {
      this.#check(proven);
      proven.checked = this.#version;
    }
    checkTime(proven.links, nowMs);
    return proven;
  }

  /** What a ticket carries by its digest. Throws grant_unknown, and what `open` throws of a text that is none. */
  carried(digest: string): OpenedGrant['carried'] {
    return this.#provenOf(digest).carried;
  }

  /** The first grant of a running task that was revoked meanwhile, as an error, or undefined. */
  revoked(grants: readonly Pick<CarriedGrant, 'ids' | 'holders' | 'made'>[]): MeshError | undefined {
    for (const { ids, holders, made } of grants) {
      const link = ids.findIndex((id, i) => this.#isRevoked(id, holders[i] ?? '', made[i] ?? 0));
      if (link >= 0) {
        return revokedError(link + 1, ids[link] ?? '');
      }
    }
    return undefined;
  }

  #provenOf(presented: string): Proven {
    let proven = this.#proven.get(presented);
    if (proven === undefined) {
      const byDigest = isGrantDigest(presented);
      const text = byDigest ? this.introduced.get(presented)?.grant : presented;
      if (text === undefined || (byDigest && digestOf(text) !== presented)) {
        throw meshError('grant_unknown', { digest: presented });
      }
      const links = proveGrant(text, (kid) => this.#issuerOf(kid));
      proven = provenOf(text, links, byDigest);
      // A copy, because what is presented is a piece of the headers of its call, which it would keep in memory.
      this.#proven.set(Buffer.from(presented).toString(), proven);
    }
    return proven;
  }

  #isRevoked(id: string, holder: string, iat: number): boolean {
    const until = this.#until.get(holder);
    return this.#ids.has(id) || (until !== undefined && iat * 1_000 <= until);
  }

  /** What may have changed since the grant was proven: who issues, whose key is whose, what was revoked. */
  #check({ links, kid }: Proven): void {
    links.forEach(({ jti, delegatee, cnf, iat }, i) => {
      const link = i + 1;
      const key = this.#holders.get(delegatee);
      if (key !== undefined && key !== cnf.kid) {
        const why = 'it has another key now';
        throw meshError('grant_holder', { link, who: delegatee, dimension: 'key', why });
      }
      if (this.#isRevoked(jti, delegatee, iat)) {
        throw revokedError(link, jti);
      }
      if (key === undefined) {
        const why = 'the mesh knows no key of that name';
        throw meshError('grant_holder', { link, who: delegatee, dimension: 'key', why });
      }
    });
    if (this.#issuerOf(kid) !== links[0]?.iss) {
      const why = 'its key is not that of an issuer any more';
      throw meshError('grant_unproven', { link: 1, dimension: 'key', why });
    }
  }

  #issuerOf(kid: string): string | undefined {
    for (const known of [this.#issuersOfMesh, this.#issuers()]) {
      for (const [name, key] of known) {
        if (key === kid) {
          return name;
        }
      }
    }
    return undefined;
  }
}

function revokedError(link: number, id: string): MeshError {
  return meshError('grant_revoked', { link, id, dimension: 'revocation' });
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}

function provenOf(text: string, read: readonly Link[], byDigest: boolean): Proven {
  const links = read.map(({ claims }) => claims);
  const last = links[links.length - 1] as Claims;
  const { can, actions, args, labels, budget, exp } = last;
  const carried = {
    ids: links.map(({ jti }) => jti),
    holders: links.map(({ delegatee }) => delegatee),
    made: links.map(({ iat }) => iat),
    can: [...can],
    actions: [...actions],
    ...(args === undefined ? {} : { args: [...args] }),
    ...(labels === undefined ? {} : { labels: labels as Record<string, string[]> }),
    exp,
    ...(byDigest ? { digest: digestOf(text) } : {}),
  };
  const proof = {
    digest: digestOf(text),
    issuer: links[0]?.iss ?? '',
    principal: last.sub,
    ...(budget === undefined ? {} : { budget: { ...budget } }),
  };
  return {
    links,
    last,
    kid: read[0]?.kid ?? '',
    carried,
    ofRoot: [{ at: 0, ...carried }],
    proof,
    carriedSize: JSON.stringify(carried).length,
    checked: -1,
  };
}

/** Each link is looked at only when the last one is over: it ends first. */
function checkTime(links: readonly Claims[], nowMs: number): void {
  const last = links[links.length - 1] as Claims;
  const over = ({ exp, deadline = Number.POSITIVE_INFINITY }: Claims) => Math.min(exp * 1_000, deadline);
  if (over(last) <= nowMs) {
    const link = links.findIndex((one) => over(one) <= nowMs);
    const ended = links[link] as Claims;
    const dimension = ended.exp * 1_000 <= nowMs ? 'expiry' : 'deadline';
    throw meshError('grant_expired', { link: link + 1, dimension, agoMs: nowMs - over(ended) });
  }
  const from = Math.max(last.nbf ?? 0, 0) * 1_000;
  if (from > nowMs) {
    const link = links.findIndex(({ nbf = 0 }) => nbf * 1_000 > nowMs) + 1;
    throw meshError('grant_early', { link, dimension: 'start', inMs: from - nowMs });
  }
  const made = links.findIndex(({ iat }) => iat * 1_000 > nowMs + limits.clockSkewMs);
  if (made >= 0) {
    const inMs = (links[made] as Claims).iat * 1_000 - nowMs;
    throw meshError('grant_early', { link: made + 1, dimension: 'issue', inMs });
  }
}

function put(map: Map<string, string>, name: string, value: string | undefined): void {
  if (value === undefined) {
    map.delete(name);
  } else {
    map.set(name, value);
  }
}

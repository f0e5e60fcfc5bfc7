/**
 * Grants that their holders introduced: the mesh keeps the text, and calls name it by its digest. A digest proves
 * nothing: whoever presents one is judged as if the text stood there.
 */

/** One of them. */
export interface IntroducedGrant {
  readonly holder: string;
  /** Its text, all links. */
  readonly grant: string;
}

const DIGEST = /^[A-Za-z0-9_-]{43}$/;

/** Is this a digest (SHA-256 in base64url)? No grant is as short. */
export function isGrantDigest(text: string): boolean {
  return text.length === 43 && DIGEST.test(text);
}

/** Those that one process has heard of, by digest. */
export class IntroducedGrants {
  readonly #grants = new Map<string, IntroducedGrant>();
  readonly #held = new Map<string, number>();

  get(digest: string): IntroducedGrant | undefined {
    return this.#grants.get(digest);
  }

  /** It was introduced; undefined: the mesh keeps it no more. */
  set(digest: string, grant: IntroducedGrant | undefined): void {
    const before = this.#grants.get(digest);
    if (before !== undefined) {
      this.#count(before.holder, -1);
      this.#grants.delete(digest);
    }
    if (grant !== undefined) {
      this.#count(grant.holder, 1);
      this.#grants.set(digest, grant);
    }
  }

  get size(): number {
    return this.#grants.size;
  }

  /** How many are of this holder. */
  heldBy(holder: string): number {
    return this.#held.get(holder) ?? 0;
  }

  #count(holder: string, more: 1 | -1): void {
    const held = this.heldBy(holder) + more;
    if (held === 0) {
      this.#held.delete(holder);
    } else {
      this.#held.set(holder, held);
    }
  }
}

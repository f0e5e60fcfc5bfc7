/**
 * Decisions that are published and not acknowledged: where in the stream they may come to stand.
 */

/** Those of one gateway. */
export class InAir {
  /** Oldest first: none has a sequence at or below its floor. */
  readonly #flying = new Map<string, { readonly floor: number; readonly nth: number }>();
  #all = 0;
  #lastSeq = 0;

  /** One more is published; returns how to say that it is answered. */
  begin(nonce: string): () => void {
    this.#flying.set(nonce, { floor: this.#lastSeq, nth: ++this.#all });
    return () => void this.#flying.delete(nonce);
  }

  /** The stream has come so far. */
  seen(seq: number): void {
    this.#lastSeq = Math.max(this.#lastSeq, seq);
  }

  get size(): number {
    return this.#flying.size;
  }

  /** None of them has a sequence at or below this. */
  get floor(): number {
    const [oldest] = this.#flying.values();
    return oldest?.floor ?? this.#lastSeq;
  }

  /** How many there ever were, and how many of the first of them are answered. */
  get published(): { readonly all: number; readonly answered: number } {
    const [oldest] = this.#flying.values();
    return { all: this.#all, answered: (oldest?.nth ?? this.#all + 1) - 1 };
  }
}

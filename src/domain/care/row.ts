/**
 * Failures in a row, by who called for whom: how a breaker sees that an agent which was well for long is broken now,
 * when most of what lies in its window is still good.
 */
import { limits } from '../../wire/limits.js';
import { pairOf, REST, type Behind, type ScopeKind } from './behind.js';

interface Failed extends Behind {
  /** Failures of these callers since the last end of the scope that was none. */
  readonly since: Record<ScopeKind, number>;
  lastMs: number;
}

/** So many failures of these callers in a row. */
export interface RowCount extends Behind {
  readonly ends: number;
  readonly bad: number;
  readonly slow: 0;
}

/** The rows of one agent and capability. While it is well nothing is kept. */
export class Row {
  readonly #failed = new Map<string, Failed>();

  /** Count one end. Callers who met no failure for as long as the window are in no row any more. */
  add(nowMs: number, behind: Behind, bad: boolean, windowMs: number): void {
    if (this.#failed.size > 0) {
      this.#failed.forEach((one, key) => nowMs - one.lastMs >= windowMs && this.#failed.delete(key));
    }
    if (!bad) {
      return this.#begin(behind);
    }
    const key = pairOf(behind);
    const own = this.#failed.has(key) || this.#failed.size < limits.breakerCallers ? behind : REST;
    let failed = this.#failed.get(pairOf(own));
    if (failed === undefined) {
      failed = {
        from: own.from,
        principal: own.principal,
        since: { any: 0, from: 0, principal: 0 },
        lastMs: nowMs,
      };
      this.#failed.set(pairOf(own), failed);
    }
    failed.lastMs = nowMs;
    failed.since.any++;
    failed.since.from++;
    failed.since.principal++;
  }

  /** What is in a row now, where the scope is of this kind. */
  of(kind: ScopeKind): RowCount[] {
    return [...this.#failed.values()].flatMap(({ from, principal, since }) =>
      since[kind] === 0 ? [] : [{ from, principal, ends: since[kind], bad: since[kind], slow: 0 as const }],
    );
  }

  /** Forget what these callers met. */
  forget(concerns: (behind: Behind) => boolean): void {
    this.#failed.forEach((one, key) => concerns(one) && this.#failed.delete(key));
  }

  /** Something went well: the rows that it stands in begin anew. */
  #begin({ from, principal }: Behind): void {
    for (const [key, one] of this.#failed) {
      const { since } = one;
      since.any = 0;
      since.from = one.from === from ? 0 : since.from;
      since.principal = one.principal === principal ? 0 : since.principal;
      if (since.from + since.principal === 0) {
        this.#failed.delete(key);
      }
    }
  }
}

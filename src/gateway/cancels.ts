/**
 * Cancels: a request to stop reaches every gateway; the one that holds the call acts, the others remember it for a
 * while in case the call comes to them.
 */
import { limits } from '../wire/limits.js';

/** Remembers cancels of calls not seen yet, within a bound. */
export class Cancels {
  readonly #until = new Map<string, number>();

  /** Remember a cancel of `from.call`. */
  remember(key: string, nowMs: number): void {
    this.#until.delete(key);
    this.#until.set(key, nowMs + limits.cancelKeepMs);
    for (const [oldest, until] of this.#until) {
      if (this.#until.size <= limits.cancels && until > nowMs) {
        break;
      }
      this.#until.delete(oldest);
    }
  }

  /** Was this call cancelled before it was decided? */
  wasCancelled(key: string): boolean {
    return this.#until.size > 0 && (this.#until.get(key) ?? 0) > Date.now();
  }
}

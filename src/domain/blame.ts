/**
 * Whose failures count: a caller whose calls fail, while those of others complete, says little about the agent. Of such
 * failures one counts for every four calls of others that complete, so that nobody can take an agent from all the others.
 */
import { limits } from '../wire/limits.js';

interface Blamed {
  /** The principal whose calls failed last. */
  by: string;
  /** Failures of it that may still count. */
  credit: number;
  /** When a call of somebody else completed last (ms). */
  vouchedMs: number;
}

/** What one completed call of somebody else is worth. */
const WORTH = 0.25;
const MOST = 8;
/** Nobody has vouched for the agent for so long: every failure counts. */
const VOUCHED_MS = 10_000;

/** Judges failures. */
export class Blame {
  readonly #agents = new Map<string, Blamed>();

  /** Does the end of this attempt count? `by`: the principal at the root of its call. */
  counts(capability: string, agent: string, by: string, ok: boolean, nowMs: number): boolean {
    if (ok && this.#agents.size === 0) {
      return true;
    }
    const key = `${capability} ${agent}`;
    const blamed = this.#agents.get(key);
    if (ok) {
      if (blamed !== undefined && blamed.by !== by) {
        blamed.credit = Math.min(MOST, blamed.credit + WORTH);
        blamed.vouchedMs = nowMs;
      }
      return true;
    }
    if (blamed?.by !== by) {
      this.#note(key, { by, credit: 0, vouchedMs: blamed?.vouchedMs ?? -Infinity });
      return true;
    }
    if (nowMs - blamed.vouchedMs > VOUCHED_MS) {
      return true;
    }
    if (blamed.credit < 1) {
      return false;
    }
    blamed.credit -= 1;
    return true;
  }

  /** The one that was noted first makes room. */
  #note(key: string, blamed: Blamed): void {
    this.#agents.delete(key);
    if (this.#agents.size >= limits.statsBlamed) {
      for (const [oldest] of this.#agents) {
        this.#agents.delete(oldest);
        break;
      }
    }
    this.#agents.set(key, blamed);
  }
}

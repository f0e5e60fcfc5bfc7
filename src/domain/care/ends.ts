/**
 * The windows of all agents and capabilities that a gateway counts ends of.
 */
import { limits } from '../../wire/limits.js';
import type { Behind, ScopeKind } from './behind.js';
import type { BreakerRules } from './breaker-rules.js';
import { Window, type End, type Opening } from './window.js';

/** What was asked to do what. */
export interface Served {
  readonly agent: string;
  readonly capability: string;
}

/** Windows within a bound: the oldest goes first. */
export class Ends {
  readonly #windows = new Map<string, Window>();

  /** Count one, and say whether and for whom it is time to open. */
  add(
    nowMs: number,
    served: Served,
    end: End,
    rules: BreakerRules,
    minimum: number,
    out: () => readonly Behind[],
  ): Opening | undefined {
    const key = keyOf(served);
    let window = this.#windows.get(key);
    if (window === undefined) {
      if (this.#windows.size >= limits.breakerWindows) {
        const [oldest = ''] = this.#windows.keys();
        this.#windows.delete(oldest);
      }
      window = new Window();
      this.#windows.set(key, window);
    }
    window.add(nowMs, end, rules.window);
    return end.bad || end.slow ? window.judge(end, rules, minimum, out()) : undefined;
  }

  /** Forget what counted for a scope. */
  clear(served: Served, kind: ScopeKind, name: string): void {
    this.#windows.get(keyOf(served))?.clear(kind, name);
  }
}

function keyOf({ agent, capability }: Served): string {
  return `${agent} ${capability}`;
}

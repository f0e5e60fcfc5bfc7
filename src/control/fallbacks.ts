/**
 * Control says of fallbacks that they are of no use, as soon as the registry knows: in its log once for each, as a metric,
 * and to whoever looks at the breakers.
 */
import { idleFallbacks, keyOf, type IdleFallback } from '../domain/care/fallbacks.js';
import type { Policy } from '../domain/policy.js';
import type { Control } from './core.js';

const LOOK_MS = 500;

/** Looks at the fallbacks of the policy that is in force. */
export class FallbackWatch {
  readonly #control: Control;
  /** How often each was seen, up to the time it was said. */
  readonly #said = new Map<string, number>();
  #seen: { readonly policy: Policy; readonly version: number } | undefined;
  #idle: readonly IdleFallback[] = [];
  readonly #timer: NodeJS.Timeout;

  /** Begins at once. */
  constructor(control: Control) {
    this.#control = control;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /** Those that are of no use now. */
  get idle(): readonly IdleFallback[] {
    const { policy, registry } = this.#control;
    if (this.#seen?.policy !== policy || this.#seen.version !== registry.version) {
      this.#seen = { policy, version: registry.version };
      this.#idle = idleFallbacks(policy.breakers, registry);
    }
    return this.#idle;
  }

  /** Stop. */
  stop(): void {
    clearInterval(this.#timer);
  }

  /** What is new is said once, if it is still so at the next look: agents come one after the other. */
  #look(): void {
    const now = new Map(this.idle.map((one) => [keyOf(one), one]));
    this.#said.forEach((_times, key) => now.has(key) || this.#said.delete(key));
    now.forEach((one, key) => {
      const times = this.#said.get(key) ?? 0;
      if (times < 2 && this.#control.leads()) {
        this.#said.set(key, times + 1);
        if (times === 1) {
          this.#control.log.warn({ ...one }, 'a fallback is of no use: calls will be refused instead');
        }
      }
    });
  }
}

/**
 * How long the answer of a provider is read on when nobody waits for it any more. The usage stands at its end: what is
 * cut off before it can only be charged as an upper bound.
 */
import { limits } from '../../wire/limits.js';

/** The signal of a request to the provider. */
export class Patience {
  readonly #controller = new AbortController();
  readonly #task: AbortSignal;
  readonly #finishMs: number;
  readonly #deadline: number;
  #timer: NodeJS.Timeout | undefined;
  readonly #onAbort = (): void => this.#begin();

  /** `finishMs`: how long to read on after a cancel; 0: not at all. */
  constructor(task: AbortSignal, deadline: number, finishMs: number) {
    this.#task = task;
    this.#deadline = deadline;
    this.#finishMs = finishMs;
    if (task.aborted) {
      this.#begin();
    } else {
      task.addEventListener('abort', this.#onAbort, { once: true });
    }
  }

  /** Aborts the request. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The request is over. */
  end(): void {
    clearTimeout(this.#timer);
    this.#task.removeEventListener('abort', this.#onAbort);
  }

  #begin(): void {
    const waitMs = Math.min(this.#finishMs, this.#deadline - Date.now() + limits.llmLastMs);
    const { code } = this.#task.reason as { readonly code?: string };
    if (waitMs <= 0 || code === 'closed') {
      this.#controller.abort(this.#task.reason);
    } else {
      this.#timer = setTimeout(() => this.#controller.abort(this.#task.reason), waitMs);
    }
  }
}

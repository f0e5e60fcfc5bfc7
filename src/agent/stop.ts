/**
 * The wish to stop one task. Its signal, and the timer of its deadline, exist only for handlers that look at them:
 * most never do, and both cost more than the rest of a small task.
 */
import { meshError, type MeshError } from '../wire/errors.js';

const MAX_TIMER_MS = 2_147_483_647;

/** Stops one task, or tells that nobody asked. */
export class Stop {
  readonly #deadline: number;
  #controller: AbortController | undefined;
  #reason: MeshError | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** `deadline`: instant in epoch ms at which the task is stopped by itself. */
  constructor(deadline: number) {
    this.#deadline = deadline;
  }

  /** Why the task was asked to stop, if it was. */
  get reason(): MeshError | undefined {
    return this.#reason;
  }

  /** The signal handlers use; made at the first look. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) {
        this.#controller.abort(this.#reason);
      } else {
        const left = Math.min(Math.max(0, this.#deadline - Date.now()), MAX_TIMER_MS);
        this.#timer = setTimeout(
          () => this.now(meshError('deadline_exceeded', { why: 'the task ran too long' })),
          left,
        );
      }
    }
    return this.#controller.signal;
  }

  /** Stop it; the first reason counts. */
  now(reason: MeshError): void {
    if (this.#reason === undefined) {
      this.#reason = reason;
      this.#controller?.abort(reason);
    }
  }

  /** The task is over: nothing is left to stop. */
  end(): void {
    clearTimeout(this.#timer);
  }
}

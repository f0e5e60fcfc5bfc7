/**
 * What a client hears of a call while it waits. Everything goes through `tell`: the sign that it still runs, and
 * whatever else the mesh has to tell of a running call.
 */
import type { ServerNotification } from '@modelcontextprotocol/sdk/types.js';
import { limits } from '../../wire/limits.js';

/** Where messages go. */
export interface Listener {
  /** As the client gave it; without one it wants no progress. */
  readonly token: string | number | undefined;
  send(notification: ServerNotification): Promise<void>;
}

/** Progress of one call. */
export class Progress {
  readonly #listener: Listener;
  readonly #timer: NodeJS.Timeout | undefined;
  #told = 0;

  /** Begins to give signs: nothing is known of a running call but that no outcome has come. */
  constructor(capability: string, listener: Listener) {
    this.#listener = listener;
    if (listener.token !== undefined) {
      const since = performance.now();
      this.#timer = setInterval(() => {
        const seconds = Math.round((performance.now() - since) / 1_000);
        this.tell(`${capability}: no outcome after ${seconds} s, still waiting`);
      }, limits.mcpProgressMs);
    }
  }

  /** One message, after those before it. A client that asked for none hears none; one that left is no error. */
  tell(message: string): void {
    const { token } = this.#listener;
    if (token !== undefined) {
      const params = { progressToken: token, progress: ++this.#told, message };
      this.#listener.send({ method: 'notifications/progress', params }).catch(() => undefined);
    }
  }

  /** The call has ended. */
  end(): void {
    clearInterval(this.#timer);
  }
}

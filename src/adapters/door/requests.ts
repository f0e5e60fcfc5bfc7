/**
 * The open requests of one client over HTTP, within bounds of its own: other clients do not notice.
 */
import type { ServerResponse } from 'node:http';
import { meshError, type MeshError } from '../../agent/index.js';
import { limits } from '../../wire/limits.js';

/** Counts them. */
export class Requests {
  readonly #who: string;
  readonly #open = new Set<ServerResponse>();

  constructor(who: string) {
    this.#who = who;
  }

  /** Some request has no answer yet; streams that only listen do not count. */
  get working(): boolean {
    return [...this.#open].some(({ req }) => req.method === 'POST');
  }

  /** Count a request until its response is over. Throws client_busy. */
  count(res: ServerResponse): void {
    const unread = [...this.#open].reduce((sum, one) => sum + one.writableLength, 0);
    const busy = (max: number, what: string): MeshError =>
      meshError('client_busy', { who: this.#who, max, what });
    if (this.#open.size >= limits.mcpRequests) {
      throw busy(limits.mcpRequests, 'requests');
    }
    if (unread > limits.mcpUnreadBytes) {
      throw busy(limits.mcpUnreadBytes, 'unread bytes');
    }
    this.#open.add(res);
    res.once('close', () => this.#open.delete(res));
  }
}

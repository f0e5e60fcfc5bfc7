/**
 * One client of models as a user of the mesh: its connection, its models, its calls. What it does is counted and bounded
 * for it alone.
 */
import type { ServerResponse } from 'node:http';
import { meshError, type CallOptions, type Mesh } from '../../agent/index.js';
import { limits } from '../../wire/limits.js';
import type { Held } from '../door/gate.js';
import type { Guest, Who } from '../door/guests.js';
import { Requests } from '../door/requests.js';
import { answerStream, answerWhole, wishOf } from './chat.js';
import { Models } from './models.js';

/** An id is born a moment before its deadline is counted, and the deadline may not lie beyond the life. */
const BIRTH_MS = 100;

interface Member {
  readonly mesh: Mesh;
  readonly models: Models;
}

/** How calls are made. */
export interface ClientOptions {
  /** Join the mesh as this user. */
  readonly join: (user: string) => Promise<Mesh>;
  /** How long a call may take at most, in ms; missing: as long as its model lives with a call. */
  readonly timeoutMs?: number | undefined;
}

/** One client. */
export class Client implements Guest {
  readonly name: string;
  readonly held: Held = { bytes: 0 };
  readonly #options: ClientOptions;
  readonly #requests: Requests;
  readonly #calls = new Map<AbortController, string>();
  #member: Promise<Member> | undefined;
  #usedMs = performance.now();

  constructor(name: string, options: ClientOptions) {
    this.name = name;
    this.#options = options;
    this.#requests = new Requests(name);
  }

  /** Some call has no answer yet. */
  get working(): boolean {
    return this.#calls.size > 0;
  }

  /** Count a request until its response is over. Throws client_busy. */
  count(res: ServerResponse): void {
    this.#requests.count(res);
  }

  /** Its models. Throws what joining throws. */
  async models(): Promise<Models> {
    return (await this.#join()).models;
  }

  /**
   * Answer a request for a completion; `budget` is its header of that name. When its client leaves, the call is
   * cancelled. Throws client_busy, what reading it throws, and what the call ends with.
   */
  async chat(
    value: unknown,
    { bearer, budget }: { readonly bearer: string; readonly budget: string | undefined },
    res: ServerResponse,
  ): Promise<void> {
    const wish = wishOf(value, budget);
    if (this.#calls.size >= limits.mcpCalls) {
      throw meshError('client_busy', { who: this.name, max: limits.mcpCalls, what: 'calls' });
    }
    const stop = new AbortController();
    const leave = (): void => stop.abort();
    this.#calls.set(stop, bearer);
    res.once('close', leave);
    try {
      const { mesh, models } = await this.#join();
      const model = await models.known(wish.model);
      const most = (model?.lifeMs ?? limits.lifeMs) - BIRTH_MS;
      const options: CallOptions = {
        signal: stop.signal,
        timeoutMs: Math.min(this.#options.timeoutMs ?? most, most),
        ...(model === undefined ? {} : { major: model.major }),
        ...(wish.budget === undefined ? {} : { budget: wish.budget }),
      };
      await (wish.stream ? answerStream : answerWhole)(mesh, wish, options, res);
    } finally {
      res.off('close', leave);
      this.#calls.delete(stop);
      this.#usedMs = performance.now();
    }
  }

  /** Cancel the calls whose token is gone; leave the mesh when nobody has called for long. */
  sweep(who: Who): void {
    for (const [stop, bearer] of this.#calls) {
      if (who(bearer) !== this.name) {
        stop.abort();
      }
    }
    if (!this.working && performance.now() - this.#usedMs > limits.mcpSessionIdleMs) {
      void this.#leave();
    }
  }

  /** Cancel everything, and leave the mesh. */
  async close(): Promise<void> {
    this.#calls.forEach((_, stop) => stop.abort());
    await this.#leave();
  }

  #join(): Promise<Member> {
    this.#usedMs = performance.now();
    this.#member ??= this.#options.join(this.name).then(
      (mesh) => ({ mesh, models: new Models((pattern, options) => mesh.find(pattern, options)) }),
      (err: unknown) => {
        this.#member = undefined; // the next request tries again
        throw err;
      },
    );
    return this.#member;
  }

  async #leave(): Promise<void> {
    const member = this.#member;
    this.#member = undefined;
    await (await member?.catch(() => undefined))?.mesh.close();
  }
}

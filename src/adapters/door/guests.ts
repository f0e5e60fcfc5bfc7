/**
 * Who is in through a door over HTTP: one guest for each user of the mesh, let in by a bearer token that is looked at
 * again and again.
 */
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { meshError } from '../../agent/index.js';
import { limits } from '../../wire/limits.js';

/** The user of the mesh that a token stands for; asked again and again, so that a token can be taken back. */
export type Who = (bearer: string) => string | undefined;

/** One client. */
export interface Guest {
  /** Somebody waits for an answer. */
  readonly working: boolean;
  /** Count a request until its response is over. Throws client_busy. */
  count(res: ServerResponse, bearer: string): void;
  /** End what nobody uses, and everything if the token is gone. */
  sweep(who: Who): void;
  /** End all. */
  close(): Promise<void>;
}

const SWEEP_MS = 500;
const LOOK_MS = 50;

/** Everybody who is here. */
export class Guests<G extends Guest> {
  readonly #who: Who;
  readonly #make: (name: string) => G;
  readonly #guests = new Map<string, G>();
  readonly #sweep: NodeJS.Timeout;

  constructor(who: Who, make: (name: string) => G) {
    this.#who = who;
    this.#make = make;
    this.#sweep = setInterval(() => this.#guests.forEach((guest) => guest.sweep(who)), SWEEP_MS);
  }

  /** Let a request in; it counts until its response is over. Throws token_unknown, client_busy. */
  admit(bearer: string, res: ServerResponse): G {
    const name = bearer === '' ? undefined : this.#who(bearer);
    if (name === undefined) {
      throw meshError('token_unknown');
    }
    const guest = this.#guests.get(name) ?? this.#make(name);
    this.#guests.set(name, guest);
    guest.count(res, bearer);
    return guest;
  }

  /** End all of them, those that work after a moment. */
  async close(): Promise<void> {
    const all = [...this.#guests.values()];
    await untilIdle(() => all.some((guest) => guest.working));
    clearInterval(this.#sweep);
    await Promise.all(all.map((guest) => guest.close()));
  }
}

/** Whoever waits for an answer may get it: resolves when nobody does, at the latest after `mcpLeaveMs`. */
export async function untilIdle(working: () => boolean): Promise<void> {
  const until = Date.now() + limits.mcpLeaveMs;
  while (working() && Date.now() < until) {
    await sleep(LOOK_MS);
  }
}

/**
 * Introducing grants: a grant that a connection presents again is handed to the mesh once, and named by its digest from
 * then on. Nobody waits for it: until the mesh says that it keeps the grant, and whenever it does not, the text is sent.
 */
import type { NatsConnection } from '../fabric/connection.js';
import { headersOf } from '../fabric/raw.js';
import { subject } from '../wire/generated/subjects.js';
import { header } from '../wire/headers.js';
import { limits } from '../wire/limits.js';
import type { Token } from '../wire/names.js';

interface State {
  /** What stands for the text, once the mesh keeps it, and until when. */
  digest: string | undefined;
  untilMs: number;
  /** When it may be introduced; undefined: it was not presented before. */
  fromMs: number | undefined;
}

/** The grants of one connection. */
export class Introductions {
  readonly #nc: NatsConnection;
  readonly #me: Token;
  #states = new Map<string, State>();

  constructor(nc: NatsConnection, me: Token) {
    this.#nc = nc;
    this.#me = me;
  }

  /** What a call presents: the digest of the grant if the mesh keeps it, else its text. */
  of(grant: string): string {
    const state = this.#states.get(grant);
    if (state === undefined) {
      this.#remember(grant);
      return grant;
    }
    const now = Date.now();
    if (state.digest !== undefined && now < state.untilMs) {
      return state.digest;
    }
    // Who presents it once, as a command does, has no use for an introduction.
    if (state.fromMs === undefined || now >= state.fromMs) {
      state.fromMs = now + limits.introduceAgainMs;
      void this.#introduce(grant, state);
    }
    return grant;
  }

  /** Perhaps it is another mesh now, or it keeps them no more: present texts until it says otherwise. */
  forget(): void {
    this.#states = new Map();
  }

  #remember(grant: string): void {
    if (this.#states.size >= limits.grantsIntroducedEach) {
      this.forget();
    }
    this.#states.set(grant, { digest: undefined, untilMs: 0, fromMs: undefined });
  }

  async #introduce(grant: string, state: State): Promise<void> {
    try {
      const to = subject.introduce({ from: this.#me });
      const msg = await this.#nc.request(to, grant, { timeout: limits.introduceAgainMs });
      if (headersOf(msg).get(header.serviceErrorCode) === undefined) {
        const { digest, until } = msg.json<{ digest: string; until: number }>();
        state.digest = digest;
        state.untilMs = until;
      }
    } catch {
      // Nobody answers, or the connection is gone: the text does as well, and what is wrong with it is told to the call.
    }
  }
}

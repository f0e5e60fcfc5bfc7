/**
 * Renewing a session before it ends. The mesh lets a connection live as long as its proof, and the server cuts it then.
 * Until then there is time for an orderly change: get a fresh proof, try it on a second connection, ask for no new
 * tasks, change over, go on. A proof that does not hold leaves the connection that stands as it is.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { isExpiry, isRefusal, type NatsConnection } from '../fabric/connection.js';
import { limits } from '../wire/limits.js';
import type { Log } from '../wire/log.js';
import type { Token } from './token.js';

/** What is renewed, and how. */
export interface Renewable {
  readonly nc: NatsConnection;
  /** Missing where a key or a certificate is the proof. */
  readonly token: Token | undefined;
  /** Connect as the session would, and leave again. Throws when the mesh does not take the proof. */
  readonly probe: () => Promise<void>;
  /** Ask for no new tasks, or again for some. */
  readonly rest: (resting: boolean) => void;
  /** Connected again: the name may have been out meanwhile, and what the mesh knew of the instance is gone. */
  readonly returned: () => void;
  readonly log: Log | undefined;
}

/** Gateways hear within milliseconds that no task should come; those on the way arrive meanwhile. */
const REST_MS = 150;
const CHANGE_MS = 5_000;
/** Longest delay that a timer of Node takes. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** Keeps one session alive. */
export class Renewal {
  readonly #of: Renewable;
  #timer: NodeJS.Timeout | undefined;
  #sinceMs = Date.now();
  /** How long the mesh lets a session live, once we have seen it end one. */
  #lifeMs = Infinity;
  #failures = 0;
  #stopped = false;
  #resting = false;
  #changed: (() => void) | undefined;

  constructor(of: Renewable) {
    this.#of = of;
    void this.#watch();
    this.#plan();
  }

  /** Renew no more. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    if (this.#resting) {
      this.#rest(false); // who closes asks for no tasks in a way of its own
    }
  }

  async #watch(): Promise<void> {
    for await (const status of this.#of.nc.status()) {
      if (status.type === 'reconnect') {
        this.#sinceMs = Date.now();
        this.#failures = 0;
        this.#changed?.();
        this.#plan();
        this.#of.returned();
      } else if (isExpiry(status)) {
        this.#lifeMs = Date.now() - this.#sinceMs;
        this.#freshen();
      } else if (isRefusal(status)) {
        this.#freshen();
      }
    }
  }

  /** The connection is down and will be tried again; have a fresh token by then. */
  #freshen(): void {
    this.#of.token?.refresh().catch((err: unknown) => {
      this.#of.log?.warn({ err: String(err) }, 'no fresh token');
    });
  }

  #plan(): void {
    clearTimeout(this.#timer);
    const lifeMs = this.#endsMs() - this.#sinceMs;
    if (this.#stopped || !Number.isFinite(lifeMs)) {
      return;
    }
    const dueMs = this.#sinceMs + lifeMs * (1 - limits.renewMarginPercent / 100) - Date.now();
    const againMs = this.#failures === 0 ? 0 : limits.authBackoffMs * 2 ** Math.min(this.#failures, 6);
    const delayMs = Math.min(Math.max(dueMs, againMs, 0), TIMER_MAX_MS);
    this.#timer = setTimeout(() => void this.#renew(), delayMs);
    this.#timer.unref();
  }

  #endsMs(): number {
    return Math.min(this.#of.token?.endsMs ?? Infinity, this.#sinceMs + this.#lifeMs);
  }

  async #renew(): Promise<void> {
    const { nc, token, probe, log } = this.#of;
    try {
      await token?.refresh();
      await probe();
    } catch (err) {
      this.#failures++;
      log?.warn({ err: String(err) }, 'the session could not be renewed yet');
      this.#planUnlessOver();
      return;
    }
    if (this.#stopped || nc.isClosed()) {
      return;
    }
    this.#rest(true);
    await sleep(REST_MS, undefined, { ref: false });
    await nc.flush().catch(() => undefined); // what was said is said
    if (this.#resting) {
      const changed = new Promise<void>((resolve) => (this.#changed = resolve));
      await nc.reconnect();
      await Promise.race([changed, sleep(CHANGE_MS, undefined, { ref: false })]);
      this.#changed = undefined;
    }
    if (this.#resting) {
      this.#rest(false);
    }
  }

  #rest(resting: boolean): void {
    this.#resting = resting;
    this.#of.rest(resting);
  }

  /** Past its end the server cuts the connection, and the client tries again by itself. */
  #planUnlessOver(): void {
    if (Date.now() < this.#endsMs()) {
      this.#plan();
    }
  }
}

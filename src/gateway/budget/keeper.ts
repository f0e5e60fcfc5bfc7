/**
 * Keeps a purse: writes down what it has settled, and replaces it as soon as this gateway cannot be sure any more that
 * it is the only one who spends from it. What is left in the old one control sorts out by the log.
 */
import type { BudgetStore } from '../../fabric/budgets.js';
import type { LightPublisher } from '../../fabric/publisher.js';
import { Purse } from '../../domain/budget/purse.js';
import type { PurseRecord } from '../../domain/budget/purse-record.js';
import { limits } from '../../wire/limits.js';
import type { NatsConnection } from '../../fabric/connection.js';
import type { Log } from '../../wire/log.js';
import type { Token } from '../../wire/names.js';

const REFRESH_MS = 10_000;

/** The gateway that spends. */
export interface Spender {
  readonly name: Token;
  readonly nc: NatsConnection;
  readonly pub: LightPublisher;
  readonly log: Log;
  /** The server answered what was asked at this moment (monotonic ms). */
  readonly confirmedMs: () => number;
}

/** The decisions of a gateway. */
export interface Published {
  /** None on its way has a sequence at or below this. */
  readonly floor: number;
  /** How many were published, and how many of the first of them are answered. */
  readonly published: { readonly all: number; readonly answered: number };
}

/** What it needs of the rest. */
export interface Keeping {
  readonly of: Spender;
  readonly store: BudgetStore;
  /** What is known of the decisions that are published. */
  readonly decisions: () => Published;
  /** The purse was replaced: what was being drawn is not ours. */
  readonly onReplaced: () => void;
}

/** Keeps the purse of a gateway. */
export class Keeper {
  readonly #on: Keeping;
  #purse: Purse;
  #count = 1;
  #revision = 0;
  #written: Promise<void> | undefined;
  #open = false;
  #writing = false;
  #writtenMs = 0;
  #cut = false;
  /** Purses that are given up, and not written down as such yet. */
  readonly #retired = new Map<string, { readonly record: PurseRecord; readonly after: number }>();

  constructor(on: Keeping) {
    this.#on = on;
    this.#purse = new Purse(`${on.of.name}-1`);
    void this.#follow();
  }

  /** The purse now. */
  get purse(): Purse {
    return this.#purse;
  }

  /**
   * May it be spent from at this moment? The beat was confirmed within the lease by the monotonic clock, so nobody can
   * have closed the purse; and it is on the connection it was opened on.
   */
  sure(nowMs: number): boolean {
    return this.#open && !this.#cut && nowMs - this.#on.of.confirmedMs() < limits.leaseMs;
  }

  /** Write the purse down, once. Rejects when that fails; the next caller tries again. */
  opened(): Promise<void> {
    this.#written ??= this.#openNow().catch((err: unknown) => {
      this.#written = undefined;
      throw err;
    });
    return this.#written;
  }

  /** Is it open, or is there something to tell of those before it? */
  get used(): boolean {
    return this.#open || this.#retired.size > 0;
  }

  /** Twice a second: write down what changed. */
  async tick(nowMs: number): Promise<void> {
    if (this.#open && !this.#cut && nowMs - this.#on.of.confirmedMs() > limits.leaseMs) {
      this.retire('its gateway did not know whether it was seen');
    }
    if (this.#writing) {
      return;
    }
    this.#writing = true;
    try {
      await this.#tellRetired();
      // What is old in it keeps the log from being purged.
      const old = nowMs - this.#writtenMs > REFRESH_MS;
      if (this.#open && (this.#purse.changed || old)) {
        this.#writtenMs = nowMs;
        await this.#write();
      }
    } finally {
      this.#writing = false;
    }
  }

  /** Take a new purse. Calls that reserved in the old one go on; nothing further is reserved in it. */
  retire(why: string): void {
    if (!this.#open) {
      return;
    }
    this.#on.of.log.warn({ purse: this.#purse.id, why }, 'a purse is given up');
    this.#giveUp();
    this.#replace();
  }

  /** The last word of a gateway that stops: what is still open control follows. */
  async close(): Promise<void> {
    if (this.#open) {
      this.#giveUp();
      this.#open = false;
    }
    await this.#tellRetired();
  }

  #giveUp(): void {
    const record = this.#record('retired');
    this.#retired.set(this.#purse.id, { record, after: this.#on.decisions().published.all });
  }

  #replace(): void {
    this.#purse = new Purse(`${this.#on.of.name}-${++this.#count}`);
    this.#open = false;
    this.#written = undefined;
    this.#revision = 0;
    this.#on.onReplaced();
  }

  async #openNow(): Promise<void> {
    const purse = this.#purse;
    const put = await this.#on.store.put(`purse.${purse.id}`, this.#record('open'), 0, limits.purseKeepMs);
    if (put.kind !== 'stored') {
      if (purse === this.#purse) {
        this.#replace(); // whether it stands there or not: nothing was drawn to it
      }
      throw new Error('the purse could not be written down');
    }
    if (purse === this.#purse) {
      this.#revision = put.revision;
      this.#open = true;
    }
  }

  async #write(): Promise<void> {
    const purse = this.#purse;
    purse.changed = false;
    const put = await this.#on.store.put(
      `purse.${purse.id}`,
      this.#record('open'),
      this.#revision,
      limits.purseKeepMs,
    );
    if (purse !== this.#purse) {
      return;
    }
    if (put.kind === 'stored') {
      this.#revision = put.revision;
      return;
    }
    purse.changed = true;
    const there = await this.#on.store.get<PurseRecord>(`purse.${purse.id}`);
    if (purse === this.#purse && there.value?.state === 'open') {
      this.#revision = there.revision;
    } else if (purse === this.#purse) {
      this.#on.of.log.warn({ purse: purse.id }, 'the purse was closed by control');
      this.#replace();
    }
  }

  /** Only when every decision that was on its way is in the log, or surely never will be: control reads it once. */
  async #tellRetired(): Promise<void> {
    for (const [id, { record, after }] of this.#retired) {
      if (this.#on.decisions().published.answered < after) {
        continue;
      }
      const there = await this.#on.store.get<PurseRecord>(`purse.${id}`);
      const known = there.value?.state !== 'open';
      if (
        known ||
        (await this.#on.store.put(`purse.${id}`, record, there.revision, limits.purseKeepMs)).kind ===
          'stored'
      ) {
        this.#retired.delete(id);
      }
    }
  }

  #record(state: PurseRecord['state']): PurseRecord {
    const { of, decisions } = this.#on;
    const { info } = of.nc;
    return {
      ...{ v: 1, gateway: of.name, server: info?.server_id ?? '', client: info?.client_id ?? 0, state },
      at: Date.now(),
      ...this.#purse.checkpoint(decisions().floor),
    };
  }

  /** What was on its way when the connection was cut may be stored or not, now or later. */
  async #follow(): Promise<void> {
    for await (const { type } of this.#on.of.nc.status()) {
      if (type === 'disconnect') {
        this.#cut = true;
        this.retire('its connection was cut');
      } else if (type === 'reconnect') {
        this.#cut = false;
      }
    }
  }
}

/**
 * Something that is kept running: started again with back-off when it ends by itself.
 */
import { setTimeout as sleep } from 'node:timers/promises';

/** A thing that runs in a process of its own. */
export interface Started {
  readonly pid: number;
  /** Where it shows its metrics. */
  readonly metrics?: string;
  /** Resolves when it has ended, whoever ended it. */
  readonly exited: Promise<void>;
  stop(): Promise<void>;
  /** End it as a crash would. */
  kill(): void;
}

/** How to keep it. */
export interface KeepOptions {
  /** Start it again when it ends by itself. */
  readonly restart: boolean;
  /** Told in one sentence when it ends by itself or does not start. */
  readonly say: (sentence: string) => void;
  /** Called after every start. */
  readonly changed: () => void;
}

const BACKOFF_MS = 100;
const BACKOFF_MAX_MS = 5_000;
/** After this long the last crash is forgotten. */
const HEALTHY_MS = 10_000;

/** Keeps one thing running until it is stopped. */
export class Kept<T extends Started> {
  readonly name: string;
  readonly #launch: () => Promise<T>;
  readonly #options: KeepOptions;
  #current: T;
  #stopped = false;
  #backoffMs = BACKOFF_MS;
  /** Restarts, one after the other: a back-off and a call of `restart` must not start two. */
  #turn: Promise<void> = Promise.resolve();

  private constructor(name: string, launch: () => Promise<T>, options: KeepOptions, first: T) {
    this.name = name;
    this.#launch = launch;
    this.#options = options;
    this.#current = first;
    this.#watch(first);
  }

  /** Start it. The first start fails like any call; later ones are tried again. */
  static async start<T extends Started>(
    name: string,
    launch: () => Promise<T>,
    options: KeepOptions,
  ): Promise<Kept<T>> {
    return new Kept(name, launch, options, await launch());
  }

  /** The one that runs now, or the last one that ran. */
  get current(): T {
    return this.#current;
  }

  /** The process id of the one that runs now. */
  get pid(): number {
    return this.#current.pid;
  }

  /** Where the one that runs now shows its metrics. */
  get metrics(): string | undefined {
    return this.#current.metrics;
  }

  /** End it as a crash would; unless it is not to be restarted it comes back by itself. */
  kill(): void {
    this.#current.kill();
  }

  /** Stop the one that runs, if it does, and start another. */
  restart(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#current.stop();
      await this.#startAgain();
    });
  }

  /** Stop it for good. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#turn.catch(() => undefined);
    await this.#current.stop();
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const mine = this.#turn.catch(() => undefined).then(work);
    this.#turn = mine;
    return mine;
  }

  async #startAgain(): Promise<void> {
    if (!this.#stopped) {
      this.#current = await this.#launch();
      this.#watch(this.#current);
      this.#options.changed();
    }
  }

  #watch(one: T): void {
    const since = performance.now();
    void one.exited.then(async () => {
      if (performance.now() - since > HEALTHY_MS) {
        this.#backoffMs = BACKOFF_MS;
      }
      await this.#ended(one).catch(() => undefined);
    });
  }

  /** It ended. When that was not our doing, start another after a while, as often as it takes. */
  async #ended(one: T): Promise<void> {
    while (this.#options.restart && !this.#stopped && this.#current === one) {
      const waitMs = this.#backoffMs;
      this.#backoffMs = Math.min(waitMs * 2, BACKOFF_MAX_MS);
      await this.#turn.catch(() => undefined);
      if (this.#stopped || this.#current !== one) {
        return;
      }
      this.#options.say(`${this.name} (process ${one.pid}) has ended; starting it again in ${waitMs} ms`);
      await sleep(waitMs);
      await this.#inTurn(async () => {
        if (this.#current === one) {
          await this.#startAgain();
        }
      }).catch((err: unknown) => this.#options.say(`${this.name} did not start: ${String(err)}`));
    }
  }
}

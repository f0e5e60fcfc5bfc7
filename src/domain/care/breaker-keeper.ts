/**
 * Keeps what a gateway knows of the breakers in step with the store: what it hears counts, and what it changes counts
 * here at once and is taken back when something else stands there.
 */
import { limits } from '../../wire/limits.js';
import { holds, type BreakerRecord, type Changer } from './breaker.js';
import { BreakerIndex, type Kept } from './breaker-index.js';
import type { BreakerWorld } from './breaker-look.js';
import { readBreakerKey, type BreakerName } from './breaker-name.js';

/** Makes the change, or undefined when it cannot be made from what stands there. */
export type Make = (now: BreakerRecord) => BreakerRecord | undefined;

/** The breakers of one gateway, and their store. */
export class BreakerKeeper {
  readonly index = new BreakerIndex();
  /** Changes this gateway made since it started, by the state they led to. */
  readonly changes = { closed: 0, open: 0, 'half-open': 0 };
  /** Probes that this gateway holds. */
  permits = 0;
  readonly #gateway: string;
  readonly #world: BreakerWorld;
  readonly #opened: (kept: Kept) => void;

  /** `opened` is told of each that opens, also at another gateway. */
  constructor(gateway: string, world: BreakerWorld, opened: (kept: Kept) => void) {
    this.#gateway = gateway;
    this.#world = world;
    this.#opened = opened;
  }

  /** What stands in the store under a key; undefined: nothing any more. */
  heard(key: string, record: BreakerRecord | undefined, revision: number): void {
    const known = this.index.get(key);
    if (known !== undefined && record !== undefined && revision <= known.revision) {
      return;
    }
    const about = readBreakerKey(key);
    if (record !== undefined && about !== undefined) {
      this.#note(about, key, record, revision, this.#world.now());
    } else if (known !== undefined) {
      this.drop(known);
    }
  }

  /** One that nobody has heard of yet. */
  open(about: BreakerName, key: string, record: BreakerRecord): void {
    const kept = this.#note(about, key, record, 0, this.#world.now());
    this.change(kept, () => record, true);
  }

  /** Make a change, unless one is on its way. False when it was not made. */
  change(kept: Kept, make: Make, fresh = false): boolean {
    const { record: before, revision, heardMs } = kept;
    const record = kept.putting ? undefined : make(before);
    if (record === undefined) {
      return false;
    }
    const began = this.#world.now();
    kept.putting = true;
    if (record.state !== 'half-open') {
      this.#set(kept, record, revision, began); // while nobody may use a probe before it is ours
    }
    const done = (stored: number | undefined): void => {
      kept.putting = false;
      if (stored === undefined) {
        this.#undo(kept, revision, before, heardMs, fresh);
        return;
      }
      this.changes[record.state] += Number(before.state !== record.state || fresh);
      if (stored > kept.revision) {
        this.#set(kept, record, stored, began);
      }
    };
    this.#world.put(kept.key, record, revision).then(done, () => done(undefined));
    return true;
  }

  /** It is simply closed. */
  drop(kept: Kept): void {
    this.permits -= Number(kept.permit !== undefined);
    kept.permit = undefined;
    this.index.delete(kept);
  }

  /** How long it has counted here, in ms. */
  age(kept: Kept): number {
    return this.#world.now() - kept.heardMs;
  }

  /** Who makes a change, and when. */
  by(): Changer {
    return { by: this.#gateway, at: this.#world.wall() };
  }

  /** It was not stored. What was heard of the store meanwhile counts more than what was there before. */
  #undo(kept: Kept, revision: number, before: BreakerRecord, heardMs: number, fresh: boolean): void {
    if (kept.revision !== revision) {
      return;
    }
    if (fresh) {
      return this.drop(kept);
    }
    this.#set(kept, before, revision, heardMs);
    kept.restMs = this.#world.now() + limits.breakerAgainMs;
  }

  #note(about: BreakerName, key: string, record: BreakerRecord, revision: number, heardMs: number): Kept {
    let kept = this.index.get(key);
    if (kept === undefined) {
      const none = { putting: false, wantedMs: -Infinity, restMs: 0, permit: undefined };
      kept = { ...about, key, record, revision, heardMs, ...none };
      this.index.add(kept);
    }
    this.#set(kept, record, revision, heardMs);
    return kept;
  }

  #set(kept: Kept, record: BreakerRecord, revision: number, heardMs: number): void {
    const had = kept.permit;
    if (holds(record, this.#gateway) && revision > 0) {
      kept.permit = had ?? {
        untilMs: heardMs + limits.breakerPermitMs,
        rotateMs: heardMs + (limits.breakerPermitMs * 3) / 4,
        nonce: undefined,
        takenMs: 0,
        renewedMs: heardMs,
        end: undefined,
      };
      kept.permit.renewedMs = heardMs;
    } else {
      kept.permit = undefined;
    }
    this.permits += Number(kept.permit !== undefined) - Number(had !== undefined);
    if (record.state === 'open' && kept.record.state === 'closed') {
      this.#opened(kept);
    }
    Object.assign(kept, { record, revision, heardMs });
  }
}

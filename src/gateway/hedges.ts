/**
 * Hedges: a call of an idempotent capability that takes long is given to a second agent beside the first, where the
 * policy wants it. The first answer counts. It is one more decision of the call, with its own reservation, and never a
 * second one at a time.
 */
import type { Instance } from '../domain/roster.js';
import type { DecisionRecord } from '../wire/generated/messages.js';
import { limits } from '../wire/limits.js';
import type { Attempts } from './attempts.js';
import type { Booked } from './budget/booked.js';
import { bookAgain, bookedAt, isBooked, letGo, settleBooked, unbook } from './budget/booking.js';
import type { Core } from './core.js';
import type { Decider } from './decide.js';
import { isBlind } from './fallen.js';
import { chooseNext, nextRecord } from './next.js';
import { release, type OpenCall, type OpenSet } from './open.js';
import type { RetryMemory } from './retry-memory.js';

interface Second {
  readonly record: DecisionRecord;
  readonly instance: Instance;
  readonly booked: Booked | undefined;
}

/** Gives calls to a second agent. */
export class Hedges {
  readonly #core: Core;
  readonly #open: OpenSet;
  readonly #decider: Decider;
  readonly #attempts: Attempts;
  readonly #memory: RetryMemory;

  constructor(core: Core, open: OpenSet, decider: Decider, attempts: Attempts, memory: RetryMemory) {
    this.#core = core;
    this.#open = open;
    this.#decider = decider;
    this.#attempts = attempts;
    this.#memory = memory;
  }

  /** How long its task may take before a second agent gets it, in ms; Infinity: none does. */
  afterMs({ record, rival }: OpenCall): number {
    const rules = this.#core.policy.retries.of(record.capability)?.hedge;
    if (rules === undefined || record.idempotent !== true || rival !== undefined || isBound(record)) {
      return Infinity;
    }
    if (rules.after !== undefined) {
      return rules.after;
    }
    const { times } = this.#memory.of(record.capability);
    return times.size < limits.hedgeSamples ? Infinity : (times.percentile(95) ?? Infinity);
  }

  /** It takes long: give it to a second agent, if there is one, and time, money and share are left. */
  give(call: OpenCall): void {
    const { record, holder } = call;
    const now = Date.now();
    const rules = this.#core.policy.retries.of(record.capability);
    const { times, hedges } = this.#memory.of(record.capability);
    const most = Math.min(rules?.attempts ?? 1, limits.dispatches);
    if (
      rules?.hedge === undefined ||
      holder === undefined ||
      !hedges.any ||
      call.cancelled ||
      call.revoked !== undefined ||
      (record.dispatches ?? 1) >= most ||
      record.attempt >= limits.attempts ||
      now + (times.percentile(50) ?? 0) >= record.deadline ||
      isBlind(this.#core)
    ) {
      return;
    }
    const second = this.#second(call, holder, now);
    if (second !== undefined) {
      hedges.take();
      this.#decide(call, second);
    }
  }

  #second(call: OpenCall, holder: Instance, now: number): Second | undefined {
    const { record } = call;
    const entry = this.#core.registry.find(record.capability, record.major);
    if (entry?.idempotent !== true || record.idempotent !== true) {
      return undefined; // it must not run twice (D3)
    }
    const chosen = chooseNext(this.#core, entry, record, now, {
      avoid: holder,
      room: this.#core.rates.roomFor(call),
    });
    if (
      chosen === undefined ||
      (chosen.instance.agent === holder.agent && chosen.instance.id === holder.id)
    ) {
      return undefined;
    }
    const { instance } = chosen;
    const next = nextRecord(this.#core, record, chosen);
    const booked = bookAgain(this.#core, call, next, instance);
    return booked === 'never' || booked === 'draw' ? undefined : { record: next, instance, booked };
  }

  #decide(call: OpenCall, second: Second): void {
    const { record, instance, booked } = second;
    call.hedging = true;
    instance.inFlight++;
    this.#core.rates.beside(call, record);
    this.#decider.write(record, call.body, {
      stored: (seq, late) => this.#stored(call, second, seq, late),
      lost: (_, other, unsure) => {
        call.hedging = false;
        instance.inFlight--;
        this.#core.breakers.untook(record);
        this.#core.rates.isWith(call, call.record);
        unbook(this.#core, call, booked, unsure !== true);
        if (unsure === true) {
          call.record.attempt = record.attempt; // it may stand there: the next one has another number
        }
        if (other !== undefined && call.state !== 'settling') {
          letGo(this.#core, call);
          release(call);
          this.#open.remove(call); // another gateway owns it now
        }
      },
    });
  }

  #stored(call: OpenCall, { record, instance, booked }: Second, seq: number, late: boolean): void {
    call.hedging = false;
    call.undispatched = false; // what was reserved for the first stays, as the record says
    bookedAt(this.#core, call, booked, seq);
    if (call.state === 'settling') {
      instance.inFlight--; // the first one answered meanwhile
      this.#core.breakers.untook(record);
      return this.#open.byKey(call.key) === call ? undefined : settleBooked(this.#core, call, undefined);
    }
    const { seq: first, dispatchedMs, holder } = call;
    if (call.state === 'dispatched' && holder !== undefined) {
      call.rival = { seq: first, dispatchedMs, holder, otherFailed: false };
    }
    call.holder = instance;
    this.#open.addDecision(call, record, seq);
    if (
      late ||
      Date.now() >= record.deadline ||
      this.#core.revoked.has(record.agent) ||
      !isBooked(this.#core, call)
    ) {
      return this.#none(call);
    }
    this.#decider.start(call, instance, false);
  }

  /** The second one gets nothing after all: the first goes on alone. */
  #none(call: OpenCall): void {
    release(call);
    this.#core.breakers.untook(call.record);
    call.undispatched = true;
    call.record.dispatches = Math.max(1, (call.record.dispatches ?? 2) - 1);
    if (call.rival === undefined) {
      return this.#open.wheel.set(call, Date.now()); // it ended meanwhile, and waits
    }
    this.#attempts.rest(call);
  }
}

/** Is it bound to one agent at a time: its partial outputs are read, or somebody looked at who does it? */
function isBound({ parts, approval, reviews, review, asks }: DecisionRecord): boolean {
  return (parts ?? approval ?? reviews ?? review ?? asks) !== undefined;
}

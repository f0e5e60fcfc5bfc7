/**
 * Attempts: what happens to an open call when its agent is busy, gone, or too slow, and when its deadline comes.
 *
 * A call that must not run twice (`idempotent: false`) is dispatched once; after that only its own answer or
 * `unknown` can end it (D3). Others are given to another instance, at most `dispatches` times (D8).
 */
import { backoffMs } from '../domain/backoff.js';
import type { Instance } from '../domain/roster.js';
import { meshError } from '../wire/errors.js';
import { limits } from '../wire/limits.js';
import { bookAgain, letGo } from './budget/booking.js';
import type { Core } from './core.js';
import { deadOf, writeDead } from './dead.js';
import type { Decider } from './decide.js';
import { isBlind } from './fallen.js';
import { observeLost } from './observed.js';
import { decisionOf, release, type OpenCall, type OpenSet } from './open.js';
import { chooseNext, nextRecord } from './next.js';
import { endFailed, isOver, lastFailure } from './failed.js';
import { hasRival, rivalLost, tellStop } from './rival.js';
import type { Settler } from './settle.js';

/** Judges open calls. */
export class Attempts {
  readonly #core: Core;
  readonly #open: OpenSet;
  readonly #decider: Decider;
  readonly #settler: Settler;
  /** Give a call that takes long to a second agent. */
  hedge: (call: OpenCall) => void = () => undefined;

  constructor(core: Core, open: OpenSet, decider: Decider, settler: Settler) {
    this.#core = core;
    this.#open = open;
    this.#decider = decider;
    this.#settler = settler;
  }

  /** The time of an open call has come: its deadline, an attempt's time-out, or the end of a back-off. */
  due(call: OpenCall): void {
    const now = Date.now();
    if (call.state === 'settling' || call.state === 'deciding') {
      return;
    }
    if (call.hedging) {
      return this.#open.wheel.set(call, now); // it is known in a moment who works on it
    }
    if (now >= call.record.deadline) {
      return this.#deadline(call, now);
    }
    if (call.state === 'waiting') {
      return this.#redispatch(call, now);
    }
    if (call.lostUntil !== undefined) {
      return this.#stillLost(call, now);
    }
    if (call.hedgeAt !== undefined) {
      call.hedgeAt = undefined;
      this.rest(call);
      return this.hedge(call);
    }
    rivalLost(this.#core, call);
    this.lost(call, call.unproven ? 'its gateway died before it was sent' : 'the attempt timed out');
  }

  /** The instance said that it did not start (it is busy, or does not serve this): this was no dispatch. */
  busy(call: OpenCall, unserved: boolean): void {
    const holder = release(call);
    this.#core.breakers.untook(call.record);
    if (holder !== undefined && unserved) {
      (holder.unserved ??= new Set()).add(call.record.capability);
    } else if (holder !== undefined) {
      holder.restUntilMs = Date.now() + limits.busyRestMs;
      // Full of what others gave it: a beat that came while this task was on its way took that for ours.
      holder.elsewhere = Math.max(holder.elsewhere, holder.concurrency - holder.inFlight);
    }
    call.record.dispatches = Math.max(0, (call.record.dispatches ?? 1) - 1);
    call.undispatched = true;
    if (hasRival(call)) {
      return this.rest(call);
    }
    call.state = 'waiting';
    const { attempt, deadline } = call.record;
    const wait =
      attempt < limits.attempts ? Math.min(limits.busyRestMs * attempt, limits.busyWaitMaxMs) : Infinity;
    this.#open.wheel.set(call, Math.min(Date.now() + wait, deadline));
  }

  /**
   * Nobody was listening when the task was sent. A hint, and an agent can fake it: it steers the next dispatch, and
   * it never re-dispatches a call that must not run twice.
   */
  nobodyListening(call: OpenCall): void {
    const { holder } = call;
    if (holder !== undefined) {
      holder.restUntilMs = Date.now() + limits.leaseMs; // a beat ends the rest: whoever is alive sends one sooner
    }
    if (call.record.idempotent === true) {
      this.lost(call, 'nobody was listening');
    }
  }

  /** The agent has it: an adopted task was sent after all. */
  proven(call: OpenCall): void {
    if (call.unproven) {
      call.unproven = false;
      call.lostUntil = undefined;
      this.watch(call);
    }
  }

  /** Set the timer of a task that an instance works on. */
  watch(call: OpenCall): void {
    call.hedgeAt = undefined; // it gave a sign
    const { idempotent, attemptMs, deadline } = call.record;
    const attempt = idempotent === true ? Date.now() + (attemptMs ?? limits.attemptMs) : Infinity;
    this.#open.wheel.set(call, Math.min(attempt, deadline));
  }

  /** Set the timer to what is left of the attempt that was dispatched first and goes on. */
  rest(call: OpenCall): void {
    const { attemptMs = limits.attemptMs, deadline } = call.record;
    const sinceMs = hasRival(call) ? call.rival?.dispatchedMs : call.dispatchedMs;
    const until = Date.now() + attemptMs - (performance.now() - (sinceMs ?? 0));
    this.#open.wheel.set(call, Math.min(until, deadline));
  }

  /** The instance is gone (lease lapsed or it said bye): every call it holds is looked at. */
  gone(instances: ReadonlySet<Instance>): void {
    for (const call of [...this.#open.values()]) {
      const { holder, rival } = call;
      if (rival?.holder !== undefined && instances.has(rival.holder)) {
        rivalLost(this.#core, call);
        if (holder === undefined && call.state === 'dispatched') {
          this.lost(call, 'its lease lapsed');
        }
      }
      if (holder !== undefined && instances.has(holder) && call.state === 'dispatched') {
        this.lost(call, 'its lease lapsed');
      }
    }
  }

  /** The attempt will probably not be answered. */
  lost(call: OpenCall, why: string): void {
    const now = Date.now();
    if (call.record.idempotent !== true) {
      call.lostUntil ??= now + limits.lostGraceMs;
      return this.#open.wheel.set(call, Math.min(call.lostUntil, call.record.deadline));
    }
    const { agent, instance } = call.record;
    call.history.push({
      seq: call.seq,
      agent,
      at: now,
      why,
      ...(instance === undefined ? {} : { instance }),
    });
    if (call.unproven) {
      call.innocent++; // the death of a gateway counts for nothing (D8)
      call.unproven = false;
    } else {
      observeLost(this.#core, call);
    }
    release(call);
    call.failed = undefined; // this one may have done it
    if (hasRival(call)) {
      return this.rest(call);
    }
    if (
      (call.record.dispatches ?? 1) - call.innocent >= limits.dispatches ||
      call.record.attempt >= limits.attempts
    ) {
      return this.#giveUp(call, why);
    }
    call.state = 'waiting';
    const wait = backoffMs(call.record.dispatches ?? 1, Math.random());
    this.#open.wheel.set(call, Math.min(now + wait, call.record.deadline));
  }

  /** A silent holder had time to come back. */
  #stillLost(call: OpenCall, now: number): void {
    const { agent, instance } = call.record;
    const back = this.#core.roster.get(agent, instance ?? '');
    if (back !== undefined && !call.unproven) {
      // After a lapse the roster knows it as a new one; it is the same process, and it still works on this.
      release(call);
      back.inFlight++;
      call.holder = back;
      call.lostUntil = undefined;
      return this.#open.wheel.set(call, call.record.deadline);
    }
    if (now < (call.lostUntil ?? 0)) {
      return this.#open.wheel.set(call, call.lostUntil ?? call.record.deadline);
    }
    this.#unknown(call, 'its lease lapsed');
  }

  /** Nothing is dispatched from here on; an answer on its way still counts for a moment. */
  #deadline(call: OpenCall, now: number): void {
    if (call.state === 'waiting' && lastFailure(call) !== undefined) {
      return endFailed(this.#core, this.#settler, call);
    }
    if ((call.record.dispatches ?? 0) === 0) {
      const why = call.cancelled
        ? meshError('cancelled')
        : meshError('no_agent', { capability: call.record.capability });
      return this.#settler.fail(call, call.cancelled ? 'cancelled' : 'expired', why.toBody());
    }
    if (now < call.record.deadline + limits.deadlineGraceMs) {
      this.stop(call);
      return this.#open.wheel.set(call, call.record.deadline + limits.deadlineGraceMs);
    }
    this.#unknown(call, 'no answer before the deadline');
  }

  #unknown(call: OpenCall, why: string): void {
    this.#settler.fail(
      call,
      'unknown',
      meshError('attempt_lost', { agent: call.record.agent, why }).toBody(),
    );
  }

  #redispatch(call: OpenCall, now: number): void {
    if (call.cancelled && (call.record.dispatches ?? 0) === 0) {
      return this.#settler.fail(call, 'cancelled', meshError('cancelled').toBody());
    }
    if (isOver(call, now)) {
      return endFailed(this.#core, this.#settler, call);
    }
    const entry = this.#core.registry.find(call.record.capability, call.record.major);
    const avoid = this.#core.roster.get(call.record.agent, call.record.instance ?? '');
    const room = this.#core.rates.roomFor(call);
    const chosen =
      entry === undefined ? undefined : chooseNext(this.#core, entry, call.record, now, { avoid, room });
    if (
      chosen === undefined ||
      isBlind(this.#core) ||
      (entry?.idempotent !== true && (call.record.dispatches ?? 0) > 0)
    ) {
      return this.#open.wheel.set(call, Math.min(now + limits.backoffMs, call.record.deadline));
    }
    const next = nextRecord(this.#core, call.record, chosen);
    const booked = bookAgain(this.#core, call, next, chosen.instance);
    if (booked === 'never') {
      return this.#unpaid(call);
    }
    if (booked === 'draw') {
      return this.#open.wheel.set(call, Math.min(now + limits.backoffMs, call.record.deadline));
    }
    this.#decider.again(call, next, chosen.instance, booked, (other, unsure) => {
      if (other) {
        letGo(this.#core, call);
        this.#open.remove(call); // another gateway owns it now
      } else {
        call.state = 'waiting';
        // It may stand there: the next one has another number.
        call.record.attempt = unsure ? next.attempt : call.record.attempt;
        this.#open.wheel.set(call, Date.now() + limits.backoffMs);
      }
    });
  }

  /** Nobody pays for a further attempt: of those before it one may have run, or none has. */
  #unpaid(call: OpenCall): void {
    if (lastFailure(call) !== undefined) {
      return endFailed(this.#core, this.#settler, call);
    }
    const [node = ''] = call.record.budget?.nodes ?? [];
    const error = meshError('budget_spent', { capability: call.record.capability, node });
    const ran = (call.record.dispatches ?? 0) > 0;
    this.#settler.fail(call, ran ? 'unknown' : 'refused', error.toBody());
  }

  /** Five dispatches and no answer: into DEAD with its history, and `unknown` for the caller (D8). */
  #giveUp(call: OpenCall, why: string): void {
    call.state = 'waiting';
    this.#open.wheel.cancel(call);
    const attempts = call.record.dispatches ?? 1;
    writeDead(this.#core, deadOf(call, why), call.body, () =>
      this.#settler.fail(call, 'unknown', meshError('poison', { attempts, why }).toBody()),
    );
  }

  /** Tell the agent that nobody waits any more. */
  stop(call: OpenCall): void {
    if (call.state === 'waiting' && lastFailure(call) !== undefined) {
      endFailed(this.#core, this.#settler, call);
    } else if (!call.stopped && (call.holder !== undefined || hasRival(call))) {
      call.stopped = true;
      tellStop(this.#core, call, call.record.agent);
      if (hasRival(call)) {
        tellStop(this.#core, call, decisionOf(call, call.rival?.seq).agent);
      }
    }
  }
}

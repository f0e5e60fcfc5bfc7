/**
 * Retries: a call whose attempt failed is given out again, where the policy wants it and the capability is idempotent.
 */
import { isRetried, retryMs, type RetryRules } from '../domain/care/retries.js';
import type { MeshError } from '../wire/errors.js';
import { limits } from '../wire/limits.js';
import type { DecisionRecord } from '../wire/generated/messages.js';
import type { Capability } from '../wire/names.js';
import type { Used } from '../wire/usage.js';
import type { Core } from './core.js';
import { observeFailed } from './observed.js';
import { decisionOf, release, releaseRival, type OpenCall, type OpenSet } from './open.js';
import type { RetryMemory } from './retry-memory.js';
import type { Taken } from './taken.js';

/** Decides which failures are tried again. */
export class Retries {
  readonly #core: Core;
  readonly #open: OpenSet;
  readonly #taken: Taken;
  readonly #memory: RetryMemory;
  /** Gateways that are alive beside this one. */
  others: () => readonly string[] = () => [];

  constructor(core: Core, open: OpenSet, taken: Taken, memory: RetryMemory) {
    this.#core = core;
    this.#open = open;
    this.#taken = taken;
    this.#memory = memory;
  }

  /** A decision said that it failed. True: that is not the outcome of its call, which goes on. */
  goesOn(call: OpenCall, seq: number, error: MeshError, used: Used): boolean {
    const { record, rival } = call;
    const rules = this.#core.policy.retries.of(record.capability);
    const wanted = record.idempotent === true && !call.cancelled && call.revoked === undefined;
    if (rules === undefined || !wanted || !isRetried(error.code, rules.of)) {
      return false;
    }
    if (seq !== call.seq && seq !== rival?.seq) {
      const { agent, instance } = call.earlier?.get(seq) ?? {};
      if (agent !== undefined && instance !== undefined) {
        this.#taken.tell(agent, instance, [seq]);
      }
      return true; // a newer attempt was made: what it says counts
    }
    if (call.state === 'deciding' || (call.state === 'waiting' && call.failed !== undefined)) {
      return true; // said again
    }
    return seq === call.seq
      ? this.#newest(call, error, used, rules)
      : this.#rival(call, seq, error, used, rules);
  }

  #newest(call: OpenCall, error: MeshError, used: Used, rules: RetryRules): boolean {
    if (call.rival?.holder === undefined) {
      return this.#again(call, call.seq, error, used, rules);
    }
    observeFailed(this.#core, call);
    call.rival.otherFailed = true;
    release(call);
    return true; // another one works on it still
  }

  #rival(call: OpenCall, seq: number, error: MeshError, used: Used, rules: RetryRules): boolean {
    if (!releaseRival(call)) {
      return true; // said again
    }
    if (call.state === 'dispatched' && call.holder !== undefined) {
      observeFailed(this.#core, call, seq);
      return true;
    }
    return this.#again(call, seq, error, used, rules);
  }

  /** Is this failure the business of another gateway, which holds the call? It hears it again. */
  isElsewhere({ capability, idempotent, gateway }: DecisionRecord): boolean {
    return (
      idempotent === true &&
      this.#core.policy.retries.of(capability) !== undefined &&
      this.others().includes(gateway)
    );
  }

  /** Set the time of the next attempt, if there can be one. */
  #again(call: OpenCall, seq: number, error: MeshError, used: Used, rules: RetryRules): boolean {
    const { record } = call;
    const dispatches = record.dispatches ?? 1;
    const { times, retries } = this.#memory.of(record.capability);
    const now = Date.now();
    const last = record.deadline - (times.percentile(50) ?? 0);
    const due = now + Math.max(retryMs(dispatches, rules, Math.random()), this.#askedWait(call, error));
    if (
      dispatches >= Math.min(rules.attempts, limits.dispatches) ||
      record.attempt >= limits.attempts ||
      due >= last ||
      !retries.take()
    ) {
      return false;
    }
    observeFailed(this.#core, call, seq);
    const { agent, instance } = decisionOf(call, seq);
    call.history.push({
      seq,
      agent,
      at: now,
      why: error.code,
      ...(instance === undefined ? {} : { instance }),
    });
    const workMs = call.dispatchedMs > 0 ? performance.now() - call.dispatchedMs : 0;
    const untilMs = Math.min(last, due + limits.retryFindMs);
    const newest = call.undispatched || call.rival?.otherFailed === true ? call.seq : seq;
    call.failed = { seq: newest, error: error.toBody(), used, workMs, untilMs };
    release(call);
    call.state = 'waiting';
    this.#open.wheel.set(call, due);
    return true;
  }

  /** How long the agent asks to wait: that counts where nobody else could be asked. */
  #askedWait({ record: { capability, major, agent } }: OpenCall, { retryAfterMs = 0 }: MeshError): number {
    const { registry, router } = this.#core;
    const entry = retryAfterMs === 0 ? undefined : registry.find(capability as Capability, major);
    const others = entry === undefined ? [] : router.instances(entry);
    return others.some((one) => one.agent !== agent) ? 0 : retryAfterMs;
  }
}

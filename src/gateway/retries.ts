/**
 * Retries: a call whose attempt failed is given out again, where the policy wants it and the capability is idempotent.
 * What a gateway remembers of a capability for that: how long its attempts take, and how many retries it has earned.
 */
import { Allowance, isRetried, retryMs, type RetryRules } from '../domain/care/retries.js';
import { Times } from '../domain/care/times.js';
import type { MeshError } from '../wire/errors.js';
import { limits } from '../wire/limits.js';
import type { DecisionRecord } from '../wire/generated/messages.js';
import type { Capability } from '../wire/names.js';
import type { Used } from '../wire/usage.js';
import type { Core } from './core.js';
import { observeFailed, type Observed } from './observed.js';
import { release, type OpenCall, type OpenSet } from './open.js';
import type { Taken } from './taken.js';

interface Memory {
  readonly times: Times;
  readonly retries: Allowance;
}

/** Decides which failures are tried again. */
export class Retries {
  readonly #core: Core;
  readonly #open: OpenSet;
  readonly #taken: Taken;
  readonly #memories = new Map<string, Memory>();
  /** Gateways that are alive beside this one. */
  others: () => readonly string[] = () => [];

  constructor(core: Core, open: OpenSet, taken: Taken) {
    this.#core = core;
    this.#open = open;
    this.#taken = taken;
    core.observers.add((seen) => this.#note(seen));
  }

  /** A decision said that it failed. True: that is not the outcome of its call, which goes on. */
  goesOn(call: OpenCall, seq: number, error: MeshError, used: Used): boolean {
    const { record } = call;
    const rules = this.#core.policy.retries.of(record.capability);
    if (rules === undefined || record.idempotent !== true || !isRetried(error.code, rules.of)) {
      return false;
    }
    if (seq !== call.seq) {
      const { agent, instance } = call.earlier?.get(seq) ?? {};
      if (agent !== undefined && instance !== undefined) {
        this.#taken.tell(agent, instance, [seq]);
      }
      return true; // a newer attempt was made: what it says counts
    }
    if (call.state === 'deciding' || call.failed?.seq === seq) {
      return true; // said again
    }
    return this.#again(call, error, used, rules);
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
  #again(call: OpenCall, error: MeshError, used: Used, rules: RetryRules): boolean {
    const { record } = call;
    const dispatches = record.dispatches ?? 1;
    const { times, retries } = this.#of(record.capability);
    const now = Date.now();
    const last = record.deadline - (times.percentile(50) ?? 0);
    const due = now + Math.max(retryMs(dispatches, rules, Math.random()), this.#askedWait(call, error));
    if (
      call.cancelled ||
      call.revoked !== undefined ||
      dispatches >= Math.min(rules.attempts, limits.dispatches) ||
      record.attempt >= limits.attempts ||
      due >= last ||
      !retries.take()
    ) {
      return false;
    }
    observeFailed(this.#core, call);
    const { agent, instance } = record;
    call.history.push({
      seq: call.seq,
      agent,
      at: now,
      why: error.code,
      ...(instance === undefined ? {} : { instance }),
    });
    const workMs = call.dispatchedMs > 0 ? performance.now() - call.dispatchedMs : 0;
    const untilMs = Math.min(last, due + limits.retryFindMs);
    call.failed = { seq: call.seq, error: error.toBody(), used, workMs, untilMs };
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

  /** An attempt ended: what it says of times, and what its call earns. */
  #note({ decision, result, workMs }: Observed): void {
    const { capability, dispatches = 1 } = decision;
    const rules = this.#core.policy.retries.of(capability);
    if (rules === undefined) {
      return;
    }
    const { times, retries } = this.#of(capability);
    if (result === 'completed' && workMs > 0) {
      times.add(workMs);
    }
    if (dispatches <= 1) {
      retries.earn(rules.budget);
    }
  }

  #of(capability: string): Memory {
    let memory = this.#memories.get(capability);
    if (memory === undefined) {
      if (this.#memories.size >= limits.retried) {
        const [oldest = ''] = this.#memories.keys();
        this.#memories.delete(oldest);
      }
      memory = { times: new Times(), retries: new Allowance() };
      this.#memories.set(capability, memory);
    }
    return memory;
  }
}

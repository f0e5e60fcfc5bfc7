/**
 * Calls in flight: every durable decision of this gateway that has no durable outcome yet.
 */
import type { Gauge } from '../domain/rate/account.js';
import type { Instance } from '../domain/roster.js';
import type { MeshError } from '../wire/errors.js';
import type { DecisionRecord, ErrorBody } from '../wire/generated/messages.js';
import type { Used } from '../wire/usage.js';
import type { Booked } from './budget/booked.js';
import { Wheel, type Timed } from './wheel.js';

/** How one attempt ended, for the record in DEAD. */
export interface AttemptEnd {
  readonly seq: number;
  readonly agent: string;
  readonly instance?: string;
  readonly at: number;
  readonly why: string;
}

/** How the last attempt failed. */
export interface Failed {
  /** The decision that failed. */
  readonly seq: number;
  readonly error: ErrorBody;
  readonly used: Used;
  /** How long the agent worked, in ms. */
  readonly workMs: number;
  /** Instant (epoch ms) from which on there is no further attempt. */
  readonly untilMs: number;
}

/** An earlier attempt of a call that goes on beside the newest one. */
export interface Rival {
  readonly seq: number;
  /** When it was dispatched; monotonic ms. */
  readonly dispatchedMs: number;
  /** Who works on it; undefined: it has ended. */
  holder: Instance | undefined;
  /** The newest attempt said that it failed. */
  otherFailed: boolean;
}

/** One call in flight. */
export interface OpenCall extends Timed {
  /** `from.call` */
  readonly key: string;
  /** The newest decision. */
  record: DecisionRecord;
  seq: number;
  readonly body: Uint8Array;
  /** For each decision made, what its result must show (`answerOf`). */
  readonly macs: Map<number, string>;
  /** Who works on it now, as far as we know; its slot is given back exactly once. */
  holder: Instance | undefined;
  /**
   * `dispatched`: with an agent. `waiting`: for a back-off or a free instance. `deciding`: a further decision is being
   * made durable. `settling`: its outcome is being made durable.
   */
  state: 'dispatched' | 'waiting' | 'deciding' | 'settling';
  cancelled: boolean;
  /** Its grant was revoked while it was in flight. */
  revoked: MeshError | undefined;
  /** The agent was told to stop. */
  stopped: boolean;
  /** Instant (epoch ms) until which a silent holder of a call that must not run twice is waited for. */
  lostUntil: number | undefined;
  readonly history: AttemptEnd[];
  /** Adopted, and its agent has given no sign of it yet. */
  unproven: boolean;
  /** Partial outputs the caller has used, as far as this gateway heard; undefined: it heard nothing yet. */
  credit: number | undefined;
  /** When it came in, was decided first, and began to be settled: monotonic ms, 0 when this gateway did not see it. */
  enteredMs: number;
  decidedMs: number;
  settlingMs: number;
  /** When its newest attempt was dispatched here; monotonic ms, 0 when it was not. */
  dispatchedMs: number;
  /** Decisions before the newest one, by their sequences; undefined: there was none. */
  earlier: Map<number, DecisionRecord> | undefined;
  /** Sequences of attempts whose end observers were told before the outcome; undefined: of none. */
  told: Set<number> | undefined;
  /** Its last attempt said that it failed, and there may be a further one. */
  failed: Failed | undefined;
  /** What decisions of this gateway have reserved for it and is not settled, oldest first. */
  readonly booked: Booked[];
  /** The task of its newest decision surely never ran: it was not sent, or the instance said so. */
  undispatched: boolean;
  /** The decision that was answered. */
  answeredSeq: number | undefined;
  /** What it counts for until its outcome is final. */
  counted: readonly Gauge[] | undefined;
  /** The attempt that works beside the newest one, or did. */
  rival: Rival | undefined;
  /** Instant (epoch ms) from which on a second agent may get it; undefined: never, or not any more. */
  hedgeAt: number | undefined;
  /** The decision for a second agent is being made durable. */
  hedging: boolean;
  /** Dispatches that ended with the death of their gateway, not of their agent. */
  innocent: number;
}

/** A call whose decision is durable (or about to be). */
export function newOpenCall(
  record: DecisionRecord,
  seq: number,
  body: Uint8Array,
  holder: Instance | undefined,
): OpenCall {
  return {
    key: `${record.from}.${record.call}`,
    record,
    seq,
    body,
    macs: new Map(),
    holder,
    state: 'deciding',
    cancelled: false,
    revoked: undefined,
    stopped: false,
    lostUntil: undefined,
    history: [],
    unproven: false,
    credit: undefined,
    booked: [],
    undispatched: false,
    answeredSeq: undefined,
    innocent: 0,
    rival: undefined,
    hedgeAt: undefined,
    hedging: false,
    counted: undefined,
    enteredMs: 0,
    decidedMs: 0,
    settlingMs: 0,
    dispatchedMs: 0,
    earlier: undefined,
    told: undefined,
    failed: undefined,
    slot: undefined,
  };
}

/** The open calls of one gateway, by key and by each of their decisions, with one timer each. */
export class OpenSet {
  readonly #byKey = new Map<string, OpenCall>();
  readonly #bySeq = new Map<number, OpenCall>();
  readonly wheel: Wheel<OpenCall>;

  constructor(onDue: (call: OpenCall) => void) {
    this.wheel = new Wheel(onDue);
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** Take a call whose first known decision is durable. */
  add(call: OpenCall): void {
    this.#byKey.set(call.key, call);
    this.#bySeq.set(call.seq, call);
  }

  /** A further decision of the call is durable. */
  addDecision(call: OpenCall, record: DecisionRecord, seq: number): void {
    (call.earlier ??= new Map<number, DecisionRecord>()).set(call.seq, call.record);
    call.record = record;
    call.seq = seq;
    this.#bySeq.set(seq, call);
  }

  /** Its outcome is durable. */
  remove(call: OpenCall): void {
    this.wheel.cancel(call);
    giveBack(call);
    releaseRival(call);
    if (this.#byKey.get(call.key) === call) {
      this.#byKey.delete(call.key);
    }
    this.#bySeq.delete(call.seq);
    for (const seq of call.macs.keys()) {
      this.#bySeq.delete(seq);
    }
  }

  byKey(key: string): OpenCall | undefined {
    return this.#byKey.get(key);
  }

  bySeq(seq: number): OpenCall | undefined {
    return this.#bySeq.get(seq);
  }

  values(): IterableIterator<OpenCall> {
    return this.#byKey.values();
  }

  /** The lowest sequence of any open decision, or undefined. */
  lowest(): number | undefined {
    let low: number | undefined;
    for (const seq of this.#bySeq.keys()) {
      low = low === undefined || seq < low ? seq : low;
    }
    return low;
  }
}

/** The call does not count any more. Harmless when it did not. */
export function giveBack(call: OpenCall): void {
  call.counted?.forEach((gauge) => gauge.giveBack());
  call.counted = undefined;
}

/** Give the instance its slot back. Harmless when it was given back before. */
export function release(call: OpenCall): Instance | undefined {
  const holder = call.holder;
  if (holder !== undefined) {
    holder.inFlight--;
    call.holder = undefined;
  }
  return holder;
}

/** Nobody works on it beside the newest attempt any more; false: nobody did. */
export function releaseRival({ rival }: OpenCall): boolean {
  if (rival?.holder === undefined) {
    return false;
  }
  rival.holder.inFlight--;
  rival.holder = undefined;
  return true;
}

/** The decision behind one of its attempts, or behind the newest one where that is not known here. */
export function decisionOf(call: OpenCall, seq: number | undefined): DecisionRecord {
  return (seq === undefined ? undefined : call.earlier?.get(seq)) ?? call.record;
}

/** The key under which agents keep effects: that of a dead call lives on in its replay. */
export function effectKey(call: OpenCall): string {
  return call.record.key ?? call.key;
}

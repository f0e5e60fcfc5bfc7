/**
 * Deciding: the verdict becomes durable before anything else happens (D4). The decision is the verdict, the
 * reservation and the ticket in one message; the stream's duplicate window lets only one decision of a call's
 * attempt stand.
 */
import { getBySeq } from '../fabric/reader.js';
import type { Ack } from '../fabric/publisher.js';
import type { AdmittedCall } from '../chain/verdict.js';
import type { Draft } from '../chain/draft.js';
import type { Instance } from '../domain/roster.js';
import { meshError, type MeshError } from '../wire/errors.js';
import { ingress } from '../wire/generated/subjects.js';
import type { DecisionRecord } from '../wire/generated/messages.js';
import { header, headerBlock, headerLine } from '../wire/headers.js';
import { limits } from '../wire/limits.js';
import { isCapability, type Capability, type Token } from '../wire/names.js';
import { fallen } from './fallen.js';
import type { Booked } from './budget/booked.js';
import { book, bookedAt, isBooked, settleBooked, unbook } from './budget/booking.js';
import type { Cancels } from './cancels.js';
import type { Core } from './core.js';
import { dispatch } from './dispatch.js';
import { giveBack, newOpenCall, release, type OpenCall, type OpenSet } from './open.js';
import { InAir } from './in-air.js';
import type { Origin } from './origin.js';
import { allowRecord, readDecision, refuseRecord, type UndispatchedStatus } from './records.js';
import { readRegister, replyOutcome, type Settler } from './settle.js';
import { replyError } from './reply.js';
import { idsOf } from './sight.js';

const EMPTY = new Uint8Array(0);
const UNREADABLE = 'unreadable' as Capability;

/** `late`: so long after the publish that the duplicate window may have passed meanwhile. */
type OnStored = (seq: number, late: boolean) => void;
/** `other`: a different decision of the same attempt stands already, under that sequence. `unsure`: ours may. */
type OnLost = (why: string, other?: number, unsure?: boolean) => void;

/** Makes decisions durable. */
export class Decider {
  readonly #core: Core;
  readonly #open: OpenSet;
  readonly #settler: Settler;
  readonly #cancels: Cancels;
  /** How long a task may take until a second agent gets it beside the first, in ms; Infinity: none does. */
  hedgeAfterMs: (call: OpenCall) => number = () => Infinity;
  /** Those on their way, and where they may come to stand. */
  readonly flying = new InAir();

  constructor(core: Core, open: OpenSet, settler: Settler, cancels: Cancels) {
    this.#core = core;
    this.#open = open;
    this.#settler = settler;
    this.#cancels = cancels;
  }

  /** An admitted call: decide, then dispatch. */
  allow(admitted: AdmittedCall, origin: Origin): void {
    const { instance } = admitted;
    const record = allowRecord(this.#core, admitted, origin.reply);
    const booked = book(this.#core, admitted, record);
    if (booked === false) {
      return origin.held === undefined ? origin.undone() : origin.held(); // no purse any more, in the middle of a tick
    }
    instance.inFlight++;
    if (admitted.digest !== undefined) {
      this.#core.trees.asked(admitted.root, admitted.digest);
    }
    const call = newOpenCall(record, 0, admitted.body, instance);
    call.credit = 0;
    call.undispatched = true;
    call.counted = this.#core.rates.take(admitted);
    this.write(record, admitted.body, {
      stored: (seq, late) => {
        call.seq = seq;
        call.enteredMs = admitted.enteredMs;
        call.decidedMs = performance.now();
        this.#open.add(call);
        bookedAt(this.#core, call, booked, seq);
        origin.durable();
        if (!late && this.#cancels.wasCancelled(call.key)) {
          return this.#cancelled(call); // asked for while the decision was made durable
        }
        this.start(call, instance, late);
      },
      lost: (why, other, unsure) => {
        instance.inFlight--;
        unbook(this.#core, undefined, booked, unsure !== true);
        giveBack(call);
        this.#lost(origin, record, why, other);
      },
    });
  }

  #cancelled(call: OpenCall): void {
    release(call);
    call.record.dispatches = 0;
    this.#settler.fail(call, 'cancelled', meshError('cancelled').toBody());
  }

  /** This dispatch is none (its agent was put out, or the money is not there): it is decided anew. */
  #elsewhere(call: OpenCall, now: number): void {
    release(call);
    call.record.dispatches = Math.max(0, (call.record.dispatches ?? 1) - 1);
    call.state = 'waiting';
    this.#open.wheel.set(call, now);
  }

  /** Its authority fell before this dispatch: it never ran, unless an earlier attempt did. */
  #revoked(call: OpenCall, error: MeshError): void {
    release(call);
    const first = (call.record.dispatches ?? 0) <= 1;
    if (first) {
      call.record.dispatches = 0;
    }
    this.#settler.fail(call, first ? 'refused' : 'unknown', error.toBody());
  }

  /** A call that will not be dispatched: decide so, then settle. */
  refuse(draft: Draft, id: string, status: UndispatchedStatus, error: MeshError, origin: Origin): void {
    const record = refuseRecord(this.#core, draft, id, status, error, origin.reply);
    this.write(record, EMPTY, {
      stored: (seq) => {
        const call = newOpenCall(record, seq, EMPTY, undefined);
        call.enteredMs = draft.enteredMs;
        call.decidedMs = performance.now();
        this.#open.add(call);
        origin.durable();
        this.#settler.fail(call, status, error.toBody());
      },
      lost: (why, other) => this.#lost(origin, record, why, other),
    });
  }

  /** A further attempt of an open call. `stored` is told before the dispatch; `lost` when somebody else went on. */
  again(
    call: OpenCall,
    record: DecisionRecord,
    instance: Instance,
    booked: Booked | undefined,
    lost: (other: boolean, unsure: boolean) => void,
  ): void {
    call.state = 'deciding';
    instance.inFlight++;
    call.holder = instance;
    this.#core.rates.again(call, record);
    this.write(record, call.body, {
      stored: (seq, late) => {
        bookedAt(this.#core, call, booked, seq);
        if (call.state === 'settling') {
          release(call); // an earlier attempt answered meanwhile
          return this.#open.byKey(call.key) === call ? undefined : settleBooked(this.#core, call, undefined);
        }
        this.#open.addDecision(call, record, seq);
        call.credit = 0; // each attempt counts its parts anew
        this.start(call, instance, late);
      },
      lost: (_, other, unsure) => {
        release(call);
        unbook(this.#core, call, booked, unsure !== true);
        if (call.state === 'deciding') {
          this.#core.rates.isWith(call, call.record);
          lost(other !== undefined, unsure === true);
        }
      },
    });
  }

  /** Dispatch a durable decision, unless its time has passed while it was made durable (D6). */
  start(call: OpenCall, instance: Instance, late: boolean): void {
    const now = Date.now();
    if (now >= call.record.deadline) {
      const why = 'it passed while the decision was made durable';
      release(call);
      if ((call.record.dispatches ?? 0) <= 1) {
        call.record.dispatches = 0;
        return this.#settler.fail(call, 'expired', meshError('deadline_exceeded', { why }).toBody());
      }
      call.state = 'waiting';
      this.#open.wheel.set(call, now);
      return;
    }
    const revoked = fallen(this.#core, call.record);
    if (revoked !== undefined) {
      return this.#revoked(call, revoked); // while the decision was made durable
    }
    if (this.#core.revoked.has(call.record.agent)) {
      return this.#elsewhere(call, now);
    }
    call.holder = instance;
    if (late) {
      // We were paused: somebody else may have decided meanwhile. It is ours to settle, and not to dispatch.
      call.state = 'dispatched';
      call.unproven = true;
      return this.#open.wheel.set(call, now);
    }
    if (!isBooked(this.#core, call)) {
      return this.#elsewhere(call, now); // its purse was given up meanwhile: it is decided anew, from another one
    }
    dispatch(this.#core, call, instance);
    const { idempotent, attemptMs, deadline } = call.record;
    const until = idempotent === true ? Math.min(now + (attemptMs ?? limits.attemptMs), deadline) : deadline;
    const hedgeAt = now + this.hedgeAfterMs(call);
    call.hedgeAt = hedgeAt < until ? hedgeAt : undefined;
    this.#open.wheel.set(call, Math.min(hedgeAt, until));
  }

  /** No decision of this gateway that may still be open has a lower sequence. `knownSeq`: last of the stream. */
  lowWater(knownSeq: number): number {
    this.flying.seen(knownSeq);
    return Math.min(this.#open.lowest() ?? Infinity, this.flying.floor + 1);
  }

  /** Decisions that are being made durable now. */
  get inAir(): number {
    return this.flying.size;
  }

  /** Make a decision durable, or tell why it is not. */
  write(record: DecisionRecord, body: Uint8Array, on: { stored: OnStored; lost: OnLost }): void {
    const capability = isCapability(record.capability) ? record.capability : UNREADABLE;
    const to = ingress.decision(this.#core.ingress, { agent: record.agent as Token, capability });
    const headers = headerBlock(
      headerLine(header.msgId, `${record.from}.${record.call}.${record.attempt}`) +
        headerLine(header.record, JSON.stringify(record)),
    );
    if (record.verdict === 'allow') {
      this.#core.breakers.took(record);
    }
    const done = this.flying.begin(record.nonce);
    const began = performance.now();
    let tries = 0;
    const onAck = (ack: Ack): void => {
      switch (ack.kind) {
        case 'stored':
          done();
          this.flying.seen(ack.seq);
          return on.stored(ack.seq, performance.now() - began > limits.lateAckMs);
        case 'duplicate':
          void this.#whose(ack.seq, record, on).finally(done);
          return;
        case 'retry':
          if (++tries < limits.publishTries && Date.now() < record.deadline + limits.graceMs) {
            return void setTimeout(
              () => this.#core.pub.publish(to, body, headers, onAck),
              tries === 1 ? 0 : 50,
            );
          }
          done();
          return on.lost(ack.text, undefined, true);
        case 'occupied':
        case 'refused':
          done();
          return on.lost(ack.text, undefined, tries > 0);
      }
    };
    this.#core.pub.publish(to, body, headers, onAck);
  }

  /** `duplicate`: go on only when what stands there is this very decision, whose acknowledgement was lost. */
  async #whose(seq: number, mine: DecisionRecord, on: { stored: OnStored; lost: OnLost }): Promise<void> {
    const stored = await getBySeq(this.#core.nc, 'DECISIONS', seq).catch(() => undefined);
    const there = stored === undefined ? undefined : readDecision(stored.headers);
    if (there?.nonce === mine.nonce) {
      on.stored(seq, Date.now() - mine.at > limits.lateAckMs);
    } else {
      on.lost('somebody else decided', seq);
    }
  }

  #lost(origin: Origin, record: DecisionRecord, why: string, other: number | undefined): void {
    if (other === undefined) {
      this.#core.log.warn({ ...idsOf(record), why }, 'the decision could not be made durable');
      if (origin.reply !== undefined) {
        replyError(this.#core, origin.reply, meshError('storage_full', { stream: 'DECISIONS' }), record.call);
      }
      return origin.undone();
    }
    if (origin.reply !== undefined) {
      void this.#answerRepeatedAsk(origin.reply, record, other);
    }
    origin.durable();
  }

  async #answerRepeatedAsk(reply: string, mine: DecisionRecord, seq: number): Promise<void> {
    const stored = await getBySeq(this.#core.nc, 'DECISIONS', seq).catch(() => undefined);
    const there = stored === undefined ? undefined : readDecision(stored.headers);
    const reused = there !== undefined && there.digest !== mine.digest;
    const settled = reused
      ? undefined
      : await readRegister(this.#core, mine.from, mine.call).catch(() => undefined);
    if (settled !== undefined) {
      return replyOutcome(this.#core, reply, settled.text, settled.body);
    }
    const error = reused
      ? meshError('call_id_reused', { call: mine.call })
      : meshError('outcome_pending', { waitedMs: 0 });
    replyError(this.#core, reply, error, mine.call);
  }
}

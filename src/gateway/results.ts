/**
 * Results: an agent answers the decision it was given. Known decisions are answered from memory; for others the
 * record is read by its sequence, so that any gateway can take any result.
 */
import { getBySeq } from '../fabric/reader.js';
import { headersOf } from '../fabric/raw.js';
import type { Msg } from '../fabric/connection.js';
import { parseBodyRef } from '../domain/body-ref.js';
import { sameMac, sealTicket } from '../domain/ticket.js';
import { meshError, type MeshError } from '../wire/errors.js';
import { parse } from '../wire/generated/subjects.js';
import type { ErrorBody, OutcomeRecord } from '../wire/generated/messages.js';
import { header, type HeaderBlock } from '../wire/headers.js';
import { decodeJson } from '../wire/json.js';
import { limits } from '../wire/limits.js';
import { saidError } from '../wire/said.js';
import type { Attempts } from './attempts.js';
import { judgeResult, judgeResultByRef, type JudgedResult } from './bodies/result.js';
import type { Core } from './core.js';
import { answerOf } from './dispatch.js';
import { newOpenCall, release, type OpenCall, type OpenSet } from './open.js';
import { readDecision } from './records.js';
import type { BeforeOutcome } from './reviews/before-outcome.js';
import { readRegister, type Settler } from './settle.js';
import type { Taken } from './taken.js';
import { usedOf } from './usage.js';

const EMPTY = new Uint8Array(0);
/** Names and values of an answer stand in what is wrong with it. */
const WITHHELD = 'what it said is withheld: a rule has the answers of this call reviewed';

/** Takes results. `onFree` is told which agent has a slot again; `review` gets answers that a rule asks about. */
export class Results {
  readonly #core: Core;
  readonly #open: OpenSet;
  readonly #settler: Settler;
  readonly #attempts: Attempts;
  readonly #taken: Taken;
  readonly #onFree: () => void;
  readonly #review: BeforeOutcome['hold'];
  readonly #reading = new WeakSet<OpenCall>();
  #lookups = 0;

  constructor(
    core: Core,
    open: OpenSet,
    settler: Settler,
    attempts: Attempts,
    taken: Taken,
    onFree: () => void,
    review: BeforeOutcome['hold'],
  ) {
    this.#core = core;
    this.#open = open;
    this.#settler = settler;
    this.#attempts = attempts;
    this.#taken = taken;
    this.#onFree = onFree;
    this.#review = review;
  }

  /** Take one message from a result subject. */
  take(msg: Msg): void {
    const p = parse.result(msg.subject);
    if (p === undefined || this.#core.revoked.has(p.agent)) {
      return; // nobody believes what an agent says that was put out
    }
    const seq = Number(p.seq);
    const call = this.#open.bySeq(seq);
    if (call !== undefined) {
      const mac = call.macs.get(seq);
      if (mac !== undefined && sameMac(mac, answerOf(p.agent, p.mac))) {
        this.#judge(call, seq, headersOf(msg), msg.data);
      }
    } else if (Number.isSafeInteger(seq) && seq > 0 && this.#lookups < limits.lookups) {
      this.#lookups++;
      void this.#lookUp(seq, p.agent, p.mac, msg).finally(() => this.#lookups--);
    }
  }

  #judge(call: OpenCall, seq: number, headers: HeaderBlock, body: Uint8Array): void {
    if (call.state === 'settling') {
      return;
    }
    if (headers.statusCode === 503) {
      return seq === call.seq ? this.#attempts.nobodyListening(call) : undefined;
    }
    const status = headers.get(header.status);
    if (status === 'working') {
      return seq === call.seq ? this.#attempts.proven(call) : undefined;
    }
    if (status === 'busy' || status === 'unserved') {
      const current = seq === call.seq && call.state === 'dispatched';
      return current ? this.#attempts.busy(call, status === 'unserved') : undefined;
    }
    call.answeredSeq = seq;
    const code = headers.get(header.serviceErrorCode);
    const completed = (status === undefined || status === 'completed') && code === undefined;
    if (completed && headers.get(header.bodyRef) !== undefined) {
      return void this.#completeByRef(call, headers);
    }
    release(call);
    const used = usedOf(this.#core, call.record.agent, headers);
    if (!completed && call.revoked !== undefined) {
      this.#settler.fail(call, 'cancelled', call.revoked.toBody(), used);
    } else if (status === 'cancelled' && call.cancelled) {
      this.#settler.fail(call, 'cancelled', meshError('cancelled').toBody(), used);
    } else if (!completed) {
      const text = headers.get(header.serviceError) ?? code;
      this.#settler.fail(call, 'failed', this.#failure(call, body, text).toBody(), used);
    } else {
      this.#complete(call, headers, body);
    }
    this.#onFree();
  }

  #complete(call: OpenCall, headers: HeaderBlock, body: Uint8Array): void {
    this.#end(call, headers, body, judgeResult(this.#core, call.record, headers, body));
  }

  /** The agent says it again while we read, and when we could not: one reading at a time, until one succeeds. */
  async #completeByRef(call: OpenCall, headers: HeaderBlock): Promise<void> {
    if (this.#reading.has(call)) {
      return;
    }
    this.#reading.add(call);
    const judged = await judgeResultByRef(this.#core, call.record, headers).catch(() => undefined);
    this.#reading.delete(call);
    if (judged !== undefined && call.state !== 'settling') {
      release(call);
      this.#end(call, headers, EMPTY, judged);
      this.#onFree();
    }
  }

  #end(call: OpenCall, headers: HeaderBlock, body: Uint8Array, { errors, kind }: JudgedResult): void {
    const { agent, capability } = call.record;
    const used = usedOf(this.#core, agent, headers);
    const more = { ...kind, ...partsOf(headers), ...used };
    if (errors === undefined && call.record.asks !== undefined) {
      this.#review(call, { body, used, more });
    } else if (errors === undefined) {
      this.#settler.complete(call, body, more);
    } else {
      const told = call.record.asks === undefined ? errors : [WITHHELD];
      this.#settler.fail(
        call,
        'failed',
        meshError('output_invalid', { agent, capability, errors: told }).toBody(),
        used,
      );
    }
  }

  /** What the agent says of its failure, cut to a sentence. */
  #failure(call: OpenCall, body: Uint8Array, fallback: string | undefined): MeshError {
    let why = fallback ?? 'no reason given';
    if (call.record.asks !== undefined) {
      return meshError('handler_failed', { agent: call.record.agent, why: WITHHELD });
    }
    try {
      const said = decodeJson(body) as Partial<ErrorBody> | null;
      const ref = parseBodyRef(call.record.bodyRef);
      if (ref !== undefined && (said?.code === 'body_missing' || said?.code === 'body_changed')) {
        const facts = { body: ref.body, owner: ref.owner, why: 'its agent did not find all of it' };
        return meshError(said.code, facts);
      }
      const named = said === null ? undefined : saidError(call.record.agent, said);
      if (named !== undefined) {
        return named;
      }
      if (typeof said?.message === 'string') {
        why = said.message;
      }
    } catch {
      // the reason is only for people; without one the failure stands all the same
    }
    return meshError('handler_failed', { agent: call.record.agent, why: why.slice(0, 500) });
  }

  /** A result for a decision this gateway does not hold: settled long ago, or another gateway's. */
  async #lookUp(seq: number, agent: string, mac: string, msg: Msg): Promise<void> {
    const stored = await getBySeq(this.#core.nc, 'DECISIONS', seq).catch(() => undefined);
    const record = stored === undefined ? undefined : readDecision(stored.headers);
    if (
      stored === undefined ||
      record === undefined ||
      record.verdict !== 'allow' ||
      record.agent !== agent
    ) {
      return;
    }
    const status = headersOf(msg).get(header.status);
    if (
      headersOf(msg).statusCode !== 0 ||
      status === 'busy' ||
      status === 'unserved' ||
      status === 'working'
    ) {
      return; // only a result ends a call that another gateway holds; signs are for that one
    }
    if (!sameMac(sealTicket(this.#core.ring, record, seq).resultMac, mac)) {
      return;
    }
    const settled = await readRegister(this.#core, record.from, record.call).catch(() => null);
    if (settled === null) {
      return; // the agent repeats the result; nothing is decided on a failed read
    }
    if (settled !== undefined || Date.now() > (record.expires ?? 0)) {
      return record.instance === undefined ? undefined : this.#taken.tell(agent, record.instance, [seq]);
    }
    const known = this.#open.byKey(`${record.from}.${record.call}`);
    const call = known ?? newOpenCall(record, seq, stored.body, undefined);
    call.macs.set(seq, answerOf(agent, mac));
    if (known === undefined) {
      call.state = 'dispatched';
      this.#open.add(call);
      this.#open.wheel.set(call, record.deadline);
    }
    this.#judge(call, seq, headersOf(msg), msg.data);
  }
}

/** How many partial outputs the agent says it gave. */
function partsOf(headers: HeaderBlock): Pick<OutcomeRecord, 'parts'> {
  const parts = Number(headers.get(header.parts) ?? 0);
  return Number.isSafeInteger(parts) && parts > 0 ? { parts } : {};
}

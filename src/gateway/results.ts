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
import { withAttempts } from './failed.js';
import { decisionOf, newOpenCall, release, type OpenCall, type OpenSet } from './open.js';
import { readDecision } from './records.js';
import type { BeforeOutcome } from './reviews/before-outcome.js';
import type { Retries } from './retries.js';
import { rivalUnstarted } from './rival.js';
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
  readonly #retries: Retries;
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
    retries: Retries,
    taken: Taken,
    onFree: () => void,
    review: BeforeOutcome['hold'],
  ) {
    this.#core = core;
    this.#open = open;
    this.#settler = settler;
    this.#attempts = attempts;
    this.#retries = retries;
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
      if (seq === call.rival?.seq) {
        return rivalUnstarted(call);
      }
      const current = seq === call.seq && call.state === 'dispatched';
      return current ? this.#attempts.busy(call, status === 'unserved') : undefined;
    }
    const code = headers.get(header.serviceErrorCode);
    const decision = decisionOf(call, seq);
    if ((status !== undefined && status !== 'completed') || code !== undefined) {
      this.#failed(call, seq, status, this.#failure(call, decision.agent, headers, body), headers);
    } else if (headers.get(header.bodyRef) === undefined) {
      this.#end(call, seq, headers, body, judgeResult(this.#core, decision, headers, body));
    } else {
      return void this.#completeByRef(call, seq, headers);
    }
    this.#onFree();
  }

  #failed(
    call: OpenCall,
    seq: number,
    status: string | undefined,
    error: MeshError,
    headers: HeaderBlock,
  ): void {
    const used = usedOf(this.#core, decisionOf(call, seq).agent, headers);
    if (this.#retries.goesOn(call, seq, error, used)) {
      return;
    }
    call.answeredSeq = seq;
    release(call);
    if (call.revoked !== undefined && status !== 'completed') {
      this.#settler.fail(call, 'cancelled', call.revoked.toBody(), used);
    } else if (status === 'cancelled' && call.cancelled) {
      this.#settler.fail(call, 'cancelled', meshError('cancelled').toBody(), used);
    } else {
      this.#settler.fail(call, 'failed', withAttempts(error.toBody(), call), used);
    }
  }

  /** The agent says it again while we read, and when we could not: one reading at a time, until one succeeds. */
  async #completeByRef(call: OpenCall, seq: number, headers: HeaderBlock): Promise<void> {
    if (this.#reading.has(call)) {
      return;
    }
    this.#reading.add(call);
    const judged = await judgeResultByRef(this.#core, decisionOf(call, seq), headers).catch(() => undefined);
    this.#reading.delete(call);
    if (judged !== undefined && call.state !== 'settling') {
      this.#end(call, seq, headers, EMPTY, judged);
      this.#onFree();
    }
  }

  #end(
    call: OpenCall,
    seq: number,
    headers: HeaderBlock,
    body: Uint8Array,
    { errors, kind }: JudgedResult,
  ): void {
    const { agent, capability, asks } = decisionOf(call, seq);
    if (errors !== undefined) {
      const told = asks === undefined ? errors : [WITHHELD];
      const error = meshError('output_invalid', { agent, capability, errors: told });
      return this.#failed(call, seq, 'completed', error, headers);
    }
    call.answeredSeq = seq;
    release(call);
    const used = usedOf(this.#core, agent, headers);
    const more = { ...kind, ...partsOf(headers), ...used };
    if (asks === undefined) {
      this.#settler.complete(call, body, more);
    } else {
      this.#review(call, { body, used, more });
    }
  }

  /** What the agent says of its failure, cut to a sentence. */
  #failure({ record }: OpenCall, agent: string, headers: HeaderBlock, body: Uint8Array): MeshError {
    if (record.asks !== undefined) {
      return meshError('handler_failed', { agent, why: WITHHELD });
    }
    const code = headers.get(header.serviceErrorCode);
    const spoken = headers.get(header.serviceError) ?? code ?? 'no reason given';
    const said = { ...(code === undefined ? {} : { code: code as ErrorBody['code'] }), ...bodyOf(body) };
    const ref = parseBodyRef(record.bodyRef);
    if (ref !== undefined && (said.code === 'body_missing' || said.code === 'body_changed')) {
      const facts = { body: ref.body, owner: ref.owner, why: 'its agent did not find all of it' };
      return meshError(said.code, facts);
    }
    const why = typeof said.message === 'string' ? said.message.slice(0, 500) : spoken.slice(0, 500);
    return saidError(agent, { message: why, ...said }) ?? meshError('handler_failed', { agent, why });
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
    if (known === undefined && (status ?? 'completed') !== 'completed' && this.#retries.isElsewhere(record)) {
      return; // it may go on there
    }
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

/** What stands in the body of a failure; plain responders may say nothing there that could be read. */
function bodyOf(body: Uint8Array): Partial<ErrorBody> | undefined {
  try {
    const said = decodeJson(body) as Partial<ErrorBody> | null;
    return typeof said === 'object' && said !== null && !Array.isArray(said) ? said : undefined;
  } catch {
    return undefined;
  }
}

/** How many partial outputs the agent says it gave. */
function partsOf(headers: HeaderBlock): Pick<OutcomeRecord, 'parts'> {
  const parts = Number(headers.get(header.parts) ?? 0);
  return Number.isSafeInteger(parts) && parts > 0 ? { parts } : {};
}

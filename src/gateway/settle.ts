/**
 * Settling: the outcome of a call becomes durable, once. The register refuses a second write; whatever stands there
 * is the outcome, also when it is not ours.
 */
import { getLast } from '../fabric/reader.js';
import { send } from '../fabric/sender.js';
import type { Ack } from '../fabric/publisher.js';
import { ingress, subject } from '../wire/generated/subjects.js';
import { contentTypes } from '../wire/content.js';
import type { ErrorBody, OutcomeRecord } from '../wire/generated/messages.js';
import { header, headerBlock, headerLine, headerText } from '../wire/headers.js';
import { limits } from '../wire/limits.js';
import type { Used } from '../wire/usage.js';
import type { Token } from '../wire/names.js';
import { charge, settleBooked } from './budget/booking.js';
import type { Core } from './core.js';
import { observeOutcome } from './observed.js';
import { release, type OpenCall, type OpenSet } from './open.js';
import { outcomeRecord, readOutcome, waitOf } from './records.js';
import { stopRivals } from './rival.js';
import { idsOf } from './sight.js';
import type { Taken } from './taken.js';
import { noteEnd } from './trees.js';

const RETRY_MS = 250;

/** Makes outcomes durable and tells those who wait. */
export class Settler {
  readonly #core: Core;
  readonly #open: OpenSet;
  readonly #taken: Taken;

  constructor(core: Core, open: OpenSet, taken: Taken) {
    this.#core = core;
    this.#open = open;
    this.#taken = taken;
  }

  /** Settle with a result the agent gave; `more` says what it is unless JSON, where it lies if not here, its parts, what it used. */
  complete(
    call: OpenCall,
    body: Uint8Array,
    more: Pick<OutcomeRecord, 'type' | 'bodyRef' | 'parts' | 'reviews'> & Used = {},
  ): void {
    noteEnd(this.#core, call.record, body, more.bodyRef);
    this.#settle(call, outcomeRecord(call, 'completed', more), body);
  }

  /** Settle with an error; `more` says what it used, and who said no. */
  fail(
    call: OpenCall,
    status: Exclude<OutcomeRecord['status'], 'completed'>,
    error: ErrorBody,
    more: Pick<OutcomeRecord, 'reviews'> & Used = {},
  ): void {
    if (status === 'failed' || status === 'unknown') {
      noteEnd(this.#core, call.record);
    }
    const body = Buffer.from(JSON.stringify({ ...error, call: call.record.call }));
    const wait = status === 'refused' || status === 'failed' ? waitOf(error) : {};
    this.#settle(call, outcomeRecord(call, status, { code: error.code, ...wait, ...more }), body);
  }

  #settle(call: OpenCall, record: OutcomeRecord, body: Uint8Array): void {
    if (call.state === 'settling') {
      return; // the first valid result of any attempt wins
    }
    call.state = 'settling';
    call.settlingMs = performance.now();
    charge(this.#core, call, record);
    this.#open.wheel.cancel(call);
    release(call);
    stopRivals(this.#core, call);
    this.#write(call, record, body);
  }

  #write(call: OpenCall, record: OutcomeRecord, body: Uint8Array): void {
    const keepUntil = (call.record.expires ?? record.at) + limits.graceMs;
    const ttl = Math.max(1, Math.ceil((keepUntil - Date.now()) / 1000));
    const text = JSON.stringify(record);
    const lines = headerLine(header.outcome, text) + headerLine(header.ttl, ttl);
    const headers = headerBlock(lines + moreLines(record));
    const to = ingress.settle(this.#core.ingress, {
      from: call.record.from as Token,
      call: call.record.call as Token,
    });
    this.#core.pub.publish(to, body, headers, (ack) => this.#acked(ack, call, record, text, body));
  }

  #acked(ack: Ack, call: OpenCall, record: OutcomeRecord, text: string, body: Uint8Array): void {
    switch (ack.kind) {
      case 'stored':
      case 'duplicate':
        this.#core.sight.settled(call, record, isKnown(this.#core, record));
        observeOutcome(this.#core, call, record);
        return this.#finish(call, record, text, body);
      case 'occupied':
        void this.#readRegister(call, record, body);
        return;
      case 'retry':
      case 'refused':
        this.#core.log.warn({ ...idsOf(call.record), ack }, 'the outcome was not stored, trying again');
        return this.#later(() => this.#write(call, record, body));
    }
  }

  /** 10077: already settled, or the stream is full. Only an existing outcome means settled. */
  async #readRegister(call: OpenCall, record: OutcomeRecord, body: Uint8Array): Promise<void> {
    try {
      const stored = await readRegister(this.#core, call.record.from, call.record.call);
      if (stored !== undefined) {
        return this.#finish(call, stored.record, stored.text, stored.body);
      }
    } catch (err) {
      this.#core.log.warn({ ...idsOf(call.record), err: String(err) }, 'the register could not be read');
    }
    this.#later(() => this.#write(call, record, body));
  }

  #later(again: () => void): void {
    if (!this.#core.nc.isClosed()) {
      setTimeout(again, RETRY_MS);
    }
  }

  #finish(call: OpenCall, { charged }: OutcomeRecord, outcomeText: string, body: Uint8Array): void {
    this.#open.remove(call);
    settleBooked(this.#core, call, charged);
    this.#taken.add(call);
    if (call.record.reply !== undefined) {
      replyOutcome(this.#core, call.record.reply, outcomeText, body);
    }
  }
}

/** What readers find without opening the record. */
function moreLines({ type, retryAfterMs }: OutcomeRecord): string {
  const kind = type === undefined ? '' : headerLine(header.contentType, contentTypes[type]);
  return retryAfterMs === undefined ? kind : kind + headerLine(header.retryAfter, retryAfterMs);
}

/** Refusals may name capabilities that nobody has. */
function isKnown({ registry }: Core, { status, capability }: OutcomeRecord): boolean {
  return status === 'completed' || registry.find(capability, undefined) !== undefined;
}

/** Send an outcome to an inbox. */
export function replyOutcome(core: Core, reply: string, outcomeText: string, body: Uint8Array): void {
  const { status, code, type, retryAfterMs } = JSON.parse(outcomeText) as OutcomeRecord;
  const lines: [string, string | number | undefined][] = [[header.outcome, outcomeText]];
  if (status !== 'completed') {
    // The words every NATS service client knows (ADR-32).
    lines.push(
      [header.serviceErrorCode, code],
      [header.serviceError, status],
      [header.retryAfter, retryAfterMs],
    );
  }
  if (type !== undefined) {
    lines.push([header.contentType, contentTypes[type]]);
  }
  send(core.nc, reply, body, headerText(lines));
}

/** The outcome of a call, asked of the leader, or undefined when there is none. */
export async function readRegister(
  core: Core,
  from: string,
  call: string,
): Promise<{ record: OutcomeRecord; text: string; body: Uint8Array } | undefined> {
  const stored = await getLast(
    core.nc,
    'OUTCOMES',
    subject.settle({ from: from as Token, call: call as Token }),
  );
  const text = stored?.headers.get(header.outcome);
  const record = stored === undefined ? undefined : readOutcome(stored.headers);
  if (stored === undefined || text === undefined || record === undefined) {
    return undefined;
  }
  return { record, text, body: stored.body };
}

/**
 * Calling: publish the call, wait for its outcome, and when there is silence ask for it by recall. The outcome's
 * hint is believed only when the server itself republished it from the register.
 */
import type { Msg, NatsConnection } from '../fabric/connection.js';
import { LightPublisher, type Ack } from '../fabric/publisher.js';
import { freshInbox, headersOf } from '../fabric/raw.js';
import { send } from '../fabric/sender.js';
import { fromBody, meshError, type MeshError } from '../wire/errors.js';
import { subject } from '../wire/generated/subjects.js';
import type { OutcomeRecord, RecallReply } from '../wire/generated/messages.js';
import { callDigest } from '../wire/digest.js';
import { header, headerText, type HeaderBlock } from '../wire/headers.js';
import { encodeJson } from '../wire/json.js';
import { limits } from '../wire/limits.js';
import { asCapability, isToken, type Token } from '../wire/names.js';
import { isCallId, newCallId } from '../wire/ulid.js';
import type { CallOptions, Outcome } from './options.js';
import { PendingCalls, type Pending } from './pending.js';
import type { Running, Spans, TraceHeaders } from './spans.js';

const EMPTY = new Uint8Array(0);

/** What a child call carries of its task. */
export interface ParentTask {
  readonly ticket: string;
  readonly deadline: number;
  readonly signal: AbortSignal;
  readonly trace: TraceHeaders;
  nextChild(): number;
}

/** Makes calls over one connection. */
export class Caller {
  readonly #nc: NatsConnection;
  readonly #me: Token;
  readonly #pub: LightPublisher;
  readonly #pending: PendingCalls;
  readonly #spans: Spans;

  constructor(nc: NatsConnection, me: Token, spans: Spans) {
    this.#spans = spans;
    this.#nc = nc;
    this.#me = me;
    this.#pub = new LightPublisher(nc, freshInbox(nc), limits.callAckMs);
    this.#pending = new PendingCalls((p) => void this.#recall(p));
    const prefix = subject.outcome({ from: me, call: '' as Token });
    nc.subscribe(`${prefix}*`, {
      callback: (err, msg) => (err === null ? this.#outcome(msg, prefix.length) : undefined),
    });
  }

  /**
   * Call a capability and wait for the outcome.
   * Rejects with a MeshError: its code, its class, what a retry means, and what to do.
   */
  call<T>(
    capability: string,
    body: unknown,
    options: CallOptions = {},
    parent?: ParentTask,
  ): Promise<Outcome<T>> {
    return new Promise((resolve, reject) => {
      const id = options.id ?? newCallId();
      if (!isCallId(id)) {
        throw meshError('call_id_invalid', { value: JSON.stringify(id.slice(0, 64)) });
      }
      if (this.#pending.size >= limits.pendingCalls) {
        throw meshError('overloaded', { what: 'this connection', percent: 100 });
      }
      const now = Date.now();
      const own = now + (options.timeoutMs ?? limits.deadlineDefaultMs);
      const deadline = parent === undefined ? own : Math.min(own, parent.deadline - limits.childReserveMs);
      const to = subject.call({ from: this.#me, capability: asCapability(capability) });
      const bytes = encodeJson(body);
      const span = this.#spans.call(id, capability, this.#me, parent?.trace);
      const pending: Pending = {
        id,
        chosen: options.id !== undefined,
        capability,
        deadline,
        acceptUntil: now + (options.acceptMs ?? (parent === undefined ? limits.acceptMs : Infinity)),
        to,
        body: bytes,
        headers: this.#headers(id, deadline, options, parent, span),
        span,
        resolve: resolve as (o: Outcome<unknown>) => void,
        reject,
        accepted: false,
        tries: 0,
        looks: 0,
        nextMs: 0,
        cleanUp: undefined,
      };
      this.#watchAbort(pending, options.signal, parent?.signal);
      // A chosen id may have its outcome already, and nothing is said twice: then it is asked for soon.
      this.#pending.add(pending, pending.chosen ? now + limits.recallFirstMs : deadline + limits.silenceMs);
      this.#publish(pending);
    });
  }

  /** Calls that wait for their outcome. */
  get inFlight(): number {
    return this.#pending.size;
  }

  /** Ask again for everything that is pending: after a reconnect hints may have been lost. */
  recallAll(): void {
    for (const p of this.#pending.values()) {
      void this.#recall(p);
    }
  }

  /** The server refused this subject: no acknowledgement will ever come. */
  denied(to: string): void {
    for (const p of this.#pending.values()) {
      if (p.to === to) {
        this.#reject(p, meshError('permission_denied', { subject: to }));
      }
    }
  }

  /** Reject what is pending. */
  close(): void {
    this.#pending.close(meshError('closed'));
    this.#pub.close();
  }

  #headers(
    id: string,
    deadline: number,
    o: CallOptions,
    parent: ParentTask | undefined,
    span: Running,
  ): string {
    const labels = o.labels === undefined ? undefined : Object.entries(o.labels).map(labelOf);
    return headerText([
      [header.call, id],
      [header.deadline, Math.floor(deadline)],
      [header.ticket, parent?.ticket],
      [header.child, parent?.nextChild()],
      [header.major, o.major],
      [header.context, o.context],
      [header.intent, o.intent],
      [header.labels, labels?.join(',')],
      [header.traceparent, span.traceparent],
      [header.tracestate, span.tracestate],
    ]);
  }

  #publish(p: Pending): void {
    p.tries++;
    this.#pub.publish(p.to, p.body, p.headers, (ack) => this.#accepted(p, ack));
  }

  #accepted(p: Pending, ack: Ack): void {
    if (ack.kind === 'stored' || ack.kind === 'duplicate') {
      p.accepted = true;
    } else if (!this.#pending.has(p)) {
      return;
    } else if (ack.kind === 'retry' && Date.now() + limits.callAckMs < Math.min(p.acceptUntil, p.deadline)) {
      this.#publish(p); // the same id: at worst the mesh sees it twice and decides once
    } else if (ack.kind === 'retry') {
      this.#reject(p, meshError('unavailable', { waitedMs: limits.acceptMs, why: ack.text }));
    } else if (this.#nc.isClosed()) {
      this.#reject(p, meshError('closed'));
    } else {
      this.#reject(p, meshError('storage_full', { stream: 'CALLS' }));
    }
  }

  #outcome(msg: Msg, prefixLength: number): void {
    const p = this.#pending.get(msg.subject.slice(prefixLength));
    if (p === undefined) {
      return;
    }
    const headers = headersOf(msg);
    // Only the server writes this header, and only on what it stored in the register.
    if (headers.get(header.stream) === 'OUTCOMES') {
      this.#settle(p, headers, msg.data);
    }
  }

  #settle(p: Pending, headers: HeaderBlock, body: Uint8Array): void {
    const text = headers.get(header.outcome);
    if (text === undefined) {
      return;
    }
    const record = JSON.parse(text) as OutcomeRecord;
    if (p.chosen && record.digest !== undefined && record.digest !== callDigest(p.capability, p.body)) {
      return this.#reject(p, meshError('call_id_reused', { call: p.id }));
    }
    if (record.status !== 'completed') {
      return this.#reject(p, outcomeError(record, body));
    }
    this.#pending.remove(p);
    p.span.end();
    p.resolve({
      value: body.length === 0 ? null : JSON.parse(Buffer.from(body).toString()),
      call: record.call,
      agent: record.agent ?? '',
      attempt: record.attempt,
      seq: record.seq,
    });
  }

  #reject(p: Pending, error: MeshError): void {
    error.call ??= p.id;
    this.#pending.remove(p);
    p.span.end(error.code);
    p.reject(error);
  }

  /** Silence: ask for the outcome until it is there, or the mesh's own promise (D1) is broken. */
  async #recall(p: Pending): Promise<void> {
    const to = subject.recall({ from: this.#me, call: p.id as Token });
    try {
      const msg = await this.#nc.request(to, EMPTY, { timeout: limits.ackTimeoutMs });
      const headers = headersOf(msg);
      if (!this.#pending.has(p)) {
        return;
      }
      if (headers.get(header.outcome) !== undefined) {
        return this.#settle(p, headers, msg.data);
      }
      const reply = JSON.parse(msg.string()) as Partial<RecallReply>;
      // Accepted and not seen means that it still waits to be decided: nothing is gained by sending it again.
      if (reply.state === 'not_seen' && !p.accepted && Date.now() < p.deadline) {
        this.#publish(p);
      }
    } catch {
      // nobody answers: the next look comes anyway
    }
    if (this.#pending.has(p)) {
      const now = Date.now();
      if (now > p.deadline + limits.recallGraceMs) {
        this.#reject(
          p,
          meshError(p.accepted ? 'outcome_pending' : 'unavailable', {
            waitedMs: now - p.deadline,
            why: 'silence',
          }),
        );
      } else {
        const wait = Math.min(limits.silenceMs, limits.recallFirstMs * 2 ** p.looks++);
        this.#pending.again(p, now + wait);
      }
    }
  }

  #watchAbort(p: Pending, ...signals: (AbortSignal | undefined)[]): void {
    if (signals.every((s) => s === undefined)) {
      return;
    }
    const cancel = () => {
      const to = subject.cancel({ from: this.#me, call: p.id as Token });
      send(this.#nc, to, EMPTY, headerText([[header.call, p.id]]));
    };
    const live = signals.filter((s) => s !== undefined);
    if (live.length > 0) {
      live.forEach((s) => s.addEventListener('abort', cancel, { once: true }));
      p.cleanUp = () => live.forEach((s) => s.removeEventListener('abort', cancel));
      if (live.some((s) => s.aborted)) {
        cancel();
      }
    }
  }
}

const LABEL = /^[\x20-\x2b\x2d-\x7e]{1,128}$/;

function labelOf([key, value]: [string, string]): string {
  if (!isToken(key) || !LABEL.test(value)) {
    throw meshError('header_invalid', {
      name: header.labels,
      why: `${key} is not a name with an ASCII value without commas`,
    });
  }
  return `${key}=${value}`;
}

function outcomeError(record: OutcomeRecord, body: Uint8Array): MeshError {
  const error = fromBody(JSON.parse(Buffer.from(body).toString() || '{}'));
  error.status = record.status;
  error.call = record.call;
  return error;
}

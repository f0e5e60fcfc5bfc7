/**
 * Calling: publish the call, wait for its outcome, and when there is silence ask for it by recall. The outcome's
 * hint is believed only when the server itself republished it from the register.
 */
import type { Msg, NatsConnection } from '../fabric/connection.js';
import { LightPublisher, type Ack } from '../fabric/publisher.js';
import { freshInbox, headersOf } from '../fabric/raw.js';
import { send } from '../fabric/sender.js';
import { asMeshError, meshError, type MeshError } from '../wire/errors.js';
import { subject } from '../wire/generated/subjects.js';
import type { OutcomeRecord, RecallReply } from '../wire/generated/messages.js';
import { encodeBody, readBody } from '../wire/content.js';
import { header, headerText, type HeaderBlock } from '../wire/headers.js';
import { limits } from '../wire/limits.js';
import type { Token } from '../wire/names.js';
import { newCallId } from '../wire/ulid.js';
import { Bodies, type TransferBounds } from './bodies.js';
import { digestOf, outcomeError, outcomeOf, unsent } from './form.js';
import { Introductions } from './introductions.js';
import { sendLarge, type SentBody } from './large.js';
import type { CallOptions, CallStream, Outcome, SendOptions, StreamOptions } from './options.js';
import type { OnQuestion } from './parts-in.js';
import { streamOf, Streams } from './streams.js';
import { cancelOnAbort, PendingCalls, type Pending } from './pending.js';
import {
  awaited,
  boundsOf,
  checkId,
  pendingOf,
  type Ending,
  type ParentTask,
  type Request,
  type Speaker,
} from './request.js';
import type { Spans } from './spans.js';

const EMPTY = new Uint8Array(0);
/** What lies in CALLS is not seen by recalls: only after about eight seconds nobody knows the call. */
const UNSEEN_LOOKS = 8;

/** Makes calls over one connection. */
export class Caller {
  readonly #nc: NatsConnection;
  readonly #me: Token;
  readonly #pub: LightPublisher;
  readonly #pending: PendingCalls;
  readonly #streams: Streams;
  readonly #speaker: Speaker;
  /** The way of bodies that are too large for a message. */
  readonly bodies: Bodies;

  constructor(nc: NatsConnection, me: Token, spans: Spans) {
    this.#speaker = { me, spans, introductions: new Introductions(nc, me) };
    this.#nc = nc;
    this.#me = me;
    this.bodies = new Bodies(nc, me);
    this.#pub = new LightPublisher(nc, freshInbox(nc), limits.callAckMs);
    this.#pending = new PendingCalls((p) => void this.#recall(p));
    this.#streams = new Streams(nc, me, {
      find: (id) => this.#pending.get(id)?.parts,
      giveUp: (id) => this.cancel(id),
    });
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
      const { onQuestion } = options;
      const parts = onQuestion === undefined ? undefined : this.#streams.open(id, { onQuestion, drop: true });
      this.#make({ id, capability, body, options, parent, parts }, { resolve, reject });
    });
  }

  /** The same with its partial outputs. Errors are told by the stream and by its outcome. */
  stream<T>(capability: string, body: unknown, options: StreamOptions, parent?: ParentTask): CallStream<T> {
    const id = options.id ?? newCallId();
    const parts = this.#streams.open(id, options);
    const outcome = new Promise<Outcome<T>>((resolve, reject) => {
      this.#make({ id, capability, body, options, parent, parts }, { resolve, reject });
    });
    return streamOf(id, parts, outcome);
  }

  /** Hand a call over; resolves with its id once it is accepted. Its outcome is for `wait` or `watch`. */
  send(capability: string, body: unknown, { watched = false, ...options }: SendOptions): Promise<string> {
    return new Promise((resolve, reject) => {
      const id = options.id ?? newCallId();
      const wish = watched ? { window: limits.partWindow, questions: true } : undefined;
      const done = () => resolve(id);
      const request = { id, capability, body, options, parent: undefined, wish, onAccepted: done };
      this.#make(request, { resolve: done, reject });
    });
  }

  /**
   * Wait for the outcome of a call made before, by whomever of this name.
   * Rejects like `call`, and with not_found, outcome_pending (not settled within `timeoutMs`).
   */
  wait<T>(id: string, timeoutMs: number): Promise<Outcome<T>> {
    return new Promise((resolve, reject) =>
      this.#await(awaited(id, timeoutMs, undefined, { resolve, reject })),
    );
  }

  /** The same with its partial outputs from the first unread one on. The call must have been made to be watched. */
  watch<T>(id: string, timeoutMs: number, onQuestion?: OnQuestion): CallStream<T> {
    const parts = this.#streams.open(id, { onQuestion, attach: true });
    const outcome = new Promise<Outcome<T>>((resolve, reject) => {
      this.#await(awaited(id, timeoutMs, parts, { resolve, reject }));
    });
    return streamOf(id, parts, outcome);
  }

  /** Ask the mesh to stop a call. Its outcome still decides. Throws call_id_invalid. */
  cancel(id: string): void {
    checkId(id);
    const to = subject.cancel({ from: this.#me, call: id as Token });
    send(this.#nc, to, EMPTY, headerText([[header.call, id]]));
  }

  /** Calls that wait for their outcome. */
  get inFlight(): number {
    return this.#pending.size;
  }

  /** After a reconnect: ask again for everything that is pending, hints may have been lost; introduce grants anew. */
  recallAll(): void {
    this.#speaker.introductions.forget();
    [...this.#pending.values()].forEach((p) => void this.#recall(p));
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

  /** Throws what the request itself breaks; all else is told by `ending`. */
  #make(request: Request, ending: Ending): void {
    const bounds = boundsOf(request);
    const content = encodeBody(request.body, request.options.encoding);
    if (content.bytes.length <= limits.bodyBytes) {
      return this.#start(request, bounds, content, ending);
    }
    // A call that is only handed over keeps its body stored: this promise hears nothing of its end.
    const start = (sent: SentBody) =>
      new Promise<Outcome<never>>((resolve, reject) =>
        this.#start(request, bounds, sent, { resolve, reject }),
      );
    const sent = sendLarge(this.bodies, content, bounds, start);
    sent.then(ending.resolve, (err: unknown) => ending.reject(unsent(err, request.id)));
  }

  #start(request: Request, bounds: TransferBounds, sent: SentBody, ending: Ending): void {
    if (this.#pending.size >= limits.pendingCalls) {
      throw meshError('overloaded', { what: 'this connection', percent: 100 });
    }
    const p = pendingOf(this.#speaker, request, { bounds, sent, ending });
    cancelOnAbort(p, () => this.cancel(p.id), [request.options.signal, request.parent?.signal]);
    // A chosen id may have its outcome already, and nothing is said twice: then it is asked for soon.
    const firstMs = p.chosen ? Date.now() + limits.recallFirstMs : p.deadline + limits.silenceMs;
    this.#pending.add(p, firstMs);
    this.#publish(p);
  }

  #await(p: Pending): void {
    if (this.#pending.get(p.id) !== undefined) {
      throw meshError('usage', { why: `this connection already waits for the call ${p.id}` });
    }
    this.#pending.add(p, 0);
  }

  #publish(p: Pending): void {
    p.tries++;
    this.#pub.publish(p.to, p.body, p.headers, (ack) => this.#accepted(p, ack));
  }

  #accepted(p: Pending, ack: Ack): void {
    if (ack.kind === 'stored' || ack.kind === 'duplicate') {
      p.accepted = true;
      if (p.onAccepted !== undefined) {
        this.#pending.remove(p);
        p.onAccepted();
      }
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
    if (p.chosen && record.digest !== undefined && record.digest !== digestOf(p)) {
      return this.#reject(p, meshError('call_id_reused', { call: p.id }));
    }
    if (record.status !== 'completed') {
      return this.#reject(p, outcomeError(record, body));
    }
    this.#pending.remove(p);
    const tell = (value: unknown) => {
      p.parts?.end(record.parts ?? 0);
      p.span?.end();
      p.resolve(outcomeOf(record, value));
    };
    if (record.bodyRef === undefined) {
      return tell(readBody(record.type ?? 'json', body));
    }
    const until = Math.max(p.deadline, Date.now()) + limits.recallGraceMs;
    this.bodies.download(record.bodyRef, until).then(tell, (err: unknown) => {
      this.#reject(p, asMeshError(err, 'a large result'));
    });
  }

  #reject(p: Pending, error: MeshError): void {
    error.call ??= p.id;
    this.#pending.remove(p);
    p.parts?.fail(error);
    p.span?.end(error.code);
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
      } else if (reply.state === 'not_seen' && p.to === '' && p.looks > UNSEEN_LOOKS) {
        return this.#reject(p, meshError('not_found', { what: `the call ${p.id}` }));
      }
    } catch {
      // nobody answers: the next look comes anyway
    }
    if (this.#pending.has(p)) {
      const now = Date.now();
      if (now > p.deadline + p.graceMs) {
        const code = p.accepted ? 'outcome_pending' : 'unavailable';
        this.#reject(p, meshError(code, { waitedMs: now - p.deadline, why: 'silence' }));
      } else {
        const wait = Math.min(limits.silenceMs, limits.recallFirstMs * 2 ** p.looks++);
        this.#pending.again(p, now + wait);
      }
    }
  }
}

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
import { asCapability, type Token } from '../wire/names.js';
import { isCallId, newCallId } from '../wire/ulid.js';
import type { CallOptions, Outcome } from './options.js';
import { Bodies } from './bodies.js';
import { callHeaders, digestOf, outcomeError, outcomeOf, type ParentTask, type Wish } from './form.js';
import { sendLarge, type SentBody } from './large.js';
import { PendingCalls, type Pending } from './pending.js';

const EMPTY = new Uint8Array(0);

type OnOutcome = (outcome: Outcome<unknown>) => void;

/** Makes calls over one connection. */
export class Caller {
  readonly #nc: NatsConnection;
  readonly #me: Token;
  readonly #pub: LightPublisher;
  readonly #pending: PendingCalls;
  /** The way of bodies that are too large for a message. */
  readonly bodies: Bodies;

  constructor(nc: NatsConnection, me: Token) {
    this.#nc = nc;
    this.#me = me;
    this.bodies = new Bodies(nc, me);
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
      const now = Date.now();
      const own = now + (options.timeoutMs ?? limits.deadlineDefaultMs);
      const wish: Wish = {
        id,
        capability: asCapability(capability),
        options,
        parent,
        deadline: parent === undefined ? own : Math.min(own, parent.deadline - limits.childReserveMs),
        acceptUntil: now + (options.acceptMs ?? (parent === undefined ? limits.acceptMs : Infinity)),
      };
      const content = encodeBody(body, options.encoding);
      if (content.bytes.length <= limits.bodyBytes) {
        return this.#start(wish, content, resolve as OnOutcome, reject);
      }
      const start = (sent: SentBody) =>
        new Promise<Outcome<T>>((done, failed) => this.#start(wish, sent, done as OnOutcome, failed));
      const bounds = { ...wish, signal: options.signal ?? parent?.signal };
      sendLarge(this.bodies, content, bounds, start).then(resolve, (err: unknown) => {
        const error = asMeshError(err, 'a large body');
        error.call ??= id;
        reject(error);
      });
    });
  }

  #start(wish: Wish, sent: SentBody, resolve: OnOutcome, reject: (error: MeshError) => void): void {
    if (this.#pending.size >= limits.pendingCalls) {
      throw meshError('overloaded', { what: 'this connection', percent: 100 });
    }
    const { id, capability, deadline, options, parent } = wish;
    const pending: Pending = {
      id,
      chosen: options.id !== undefined,
      capability,
      deadline,
      acceptUntil: wish.acceptUntil + (sent.tookMs ?? 0),
      to: subject.call({ from: this.#me, capability }),
      body: sent.bytes,
      bodyDigest: sent.digest,
      headers: callHeaders(wish, sent),
      resolve,
      reject,
      accepted: false,
      tries: 0,
      looks: 0,
      nextMs: 0,
      cleanUp: undefined,
    };
    this.#watchAbort(pending, options.signal, parent?.signal);
    // A chosen id may have its outcome already, and nothing is said twice: then it is asked for soon.
    const first = pending.chosen ? Date.now() + limits.recallFirstMs : deadline + limits.silenceMs;
    this.#pending.add(pending, first);
    this.#publish(pending);
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
    if (p.chosen && record.digest !== undefined && record.digest !== digestOf(p)) {
      return this.#reject(p, meshError('call_id_reused', { call: p.id }));
    }
    if (record.status !== 'completed') {
      return this.#reject(p, outcomeError(record, body));
    }
    this.#pending.remove(p);
    const tell = (value: unknown) => p.resolve(outcomeOf(record, value));
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

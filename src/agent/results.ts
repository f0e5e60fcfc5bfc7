/**
 * Results that no gateway has taken yet: repeated to any gateway until one says that the outcome is durable.
 */
import type { Msg, NatsConnection } from '../fabric/connection.js';
import { headersOf } from '../fabric/raw.js';
import { send } from '../fabric/sender.js';
import { subject } from '../wire/generated/subjects.js';
import type { Taken } from '../wire/generated/messages.js';
import { limits } from '../wire/limits.js';
import type { Token } from '../wire/names.js';
import type { TaskResult } from './result.js';

interface Kept {
  readonly reply: string;
  readonly result: TaskResult;
  readonly untilMs: number;
  nextMs: number;
}

/** Sequence of the decision that a result subject answers. */
export function seqOf(reply: string): number {
  return Number(reply.split('.')[SEQ_TOKEN]);
}

/** The same result, to this gateway, or to any. */
export function toGateway(reply: string, gateway: string): string {
  const tokens = reply.split('.');
  tokens[GATEWAY_TOKEN] = gateway;
  return tokens.join('.');
}

/** Where partial outputs of the same task go. */
export function progressOf(reply: string): string {
  return reply.replace('.result.', '.progress.');
}

const ANY = 'any';
const GATEWAY_TOKEN = 4;
const SEQ_TOKEN = 5;
const KEEP_MS = 120_000;

/** Sends and keeps results. */
export class Results {
  readonly #nc: NatsConnection;
  readonly #kept = new Map<number, Kept>();
  readonly #timer: NodeJS.Timeout;

  constructor(nc: NatsConnection, me: Token, instance: Token) {
    this.#nc = nc;
    nc.subscribe(subject.taken({ agent: me, instance }), {
      callback: (err, msg) => (err === null ? this.#taken(msg) : undefined),
    });
    this.#timer = setInterval(() => this.#repeat(performance.now()), limits.resultRetryMs / 4);
    this.#timer.unref();
  }

  /** Results kept. */
  get size(): number {
    return this.#kept.size;
  }

  /** No more can be kept: the instance takes no further task. */
  get full(): boolean {
    return this.#kept.size >= limits.resultsKept;
  }

  /** Send a result to where the task asked for it, and keep it. */
  send(reply: string, result: TaskResult): void {
    const now = performance.now();
    this.#kept.set(seqOf(reply), {
      reply,
      result,
      nextMs: now + limits.resultRetryMs,
      untilMs: now + KEEP_MS,
    });
    this.#publish(reply, result);
  }

  /** Send those results again now. */
  sendAgain(seqs: ReadonlySet<number>): void {
    for (const [seq, kept] of this.#kept) {
      if (seqs.has(seq)) {
        this.#publish(toGateway(kept.reply, ANY), kept.result);
      }
    }
  }

  /** Keep nothing more. */
  close(): void {
    clearInterval(this.#timer);
    this.#kept.clear();
  }

  #publish(to: string, result: TaskResult): void {
    if (!this.#nc.isClosed()) {
      send(this.#nc, to, result.body, result.headers);
    }
  }

  #taken(msg: Msg): void {
    if (!headersOf(msg).empty) {
      for (const seq of msg.json<Taken>().seqs) {
        this.#kept.delete(seq);
      }
    }
  }

  #repeat(now: number): void {
    for (const [seq, kept] of this.#kept) {
      if (kept.nextMs <= now) {
        kept.nextMs = now + limits.resultRetryMs;
        this.#publish(toGateway(kept.reply, ANY), kept.result);
        if (kept.untilMs < now) {
          this.#kept.delete(seq);
        }
      }
    }
  }
}

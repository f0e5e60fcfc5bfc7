/**
 * The streams of the calls of one connection: one subscription brings the partial outputs of all of them.
 */
import type { NatsConnection } from '../fabric/connection.js';
import { headersOf } from '../fabric/raw.js';
import { send } from '../fabric/sender.js';
import { asMeshError } from '../wire/errors.js';
import { subject } from '../wire/generated/subjects.js';
import { header, headerText } from '../wire/headers.js';
import { limits } from '../wire/limits.js';
import type { Token } from '../wire/names.js';
import type { CallStream, Outcome } from './options.js';
import { PartsIn, type OnQuestion } from './parts-in.js';

const EMPTY = new Uint8Array(0);

/** What the streams ask of the caller. */
export interface StreamEvents {
  /** Who takes the parts of this call. */
  find(call: string): PartsIn | undefined;
  /** A question could not be answered: the call is to stop. */
  giveUp(call: string): void;
}

/** How the parts of a call are taken. */
export interface OpenOptions {
  readonly window?: number;
  readonly onQuestion?: OnQuestion | undefined;
  /** Nobody iterates. */
  readonly drop?: true;
  /** The call was made before. */
  readonly attach?: true;
}

/** Hears streams and gives credit. */
export class Streams {
  readonly #nc: NatsConnection;
  readonly #me: Token;
  readonly #events: StreamEvents;
  #hearing = false;

  constructor(nc: NatsConnection, me: Token, events: StreamEvents) {
    this.#nc = nc;
    this.#me = me;
    this.#events = events;
  }

  /** Make the taker of a call's parts. */
  open(call: string, o: OpenOptions): PartsIn {
    this.#hear();
    return new PartsIn({
      wish: { window: o.window ?? limits.partWindow, questions: o.onQuestion !== undefined },
      onQuestion: o.onQuestion,
      drop: o.drop === true,
      attach: o.attach === true,
      credit: (n, answer) => this.#credit(call, n, answer),
      giveUp: () => this.#events.giveUp(call),
    });
  }

  #hear(): void {
    if (this.#hearing) {
      return;
    }
    this.#hearing = true;
    const prefix = subject.stream({ from: this.#me, call: '' as Token });
    this.#nc.subscribe(`${prefix}*`, {
      callback: (err, msg) => {
        const headers = headersOf(msg);
        // Bytes that the server wrote have no headers.
        if (err === null && headers.get(header.part) !== undefined) {
          this.#events.find(msg.subject.slice(prefix.length))?.receive(headers, msg.data);
        }
      },
    });
  }

  #credit(call: string, n: number, answer: Uint8Array | undefined): void {
    const to = subject.credit({ from: this.#me, call: call as Token });
    const headers = headerText([
      [header.call, call],
      [header.part, n],
      [header.question, answer === undefined ? undefined : 1],
    ]);
    if (!this.#nc.isClosed()) {
      send(this.#nc, to, answer ?? EMPTY, headers);
    }
  }
}

/** A call with its parts. */
export function streamOf<T>(call: string, parts: PartsIn, outcome: Promise<Outcome<T>>): CallStream<T> {
  // Told by the iteration too: whoever only iterates misses nothing, not even a call that could not start.
  outcome.catch((err: unknown) => parts.fail(asMeshError(err, 'a call')));
  return { call, outcome, [Symbol.asyncIterator]: () => parts[Symbol.asyncIterator]() };
}

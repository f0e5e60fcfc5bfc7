/**
 * Partial outputs and questions of one call, as its caller takes them: in order, each once. Reading gives credit for
 * more; whoever does not read holds the agent up, not the memory of anybody.
 */
import { meshError, type MeshError } from '../wire/errors.js';
import { header, type HeaderBlock } from '../wire/headers.js';
import { encodeJson, type Json } from '../wire/json.js';
import { limits } from '../wire/limits.js';
import type { PartsWish } from '../wire/parts.js';

/** One partial output. */
export interface Part<T = Json> {
  /** Counts from 1 in each attempt. */
  readonly n: number;
  /** A new attempt of an idempotent capability begins anew. */
  readonly attempt: number;
  readonly value: T;
}

/** Answers a question of the handler. */
export type OnQuestion = (question: Json) => unknown;

/** What the parts of a call need of its caller. */
export interface PartsInOptions {
  readonly wish: PartsWish;
  readonly onQuestion: OnQuestion | undefined;
  /** Nobody iterates: partial outputs are dropped as they come. */
  readonly drop: boolean;
  /** The call was made before: the first part that comes is the first one unread. */
  readonly attach: boolean;
  /** Tell the agent that everything up to this number is used; with `answer`, that question's answer. */
  readonly credit: (n: number, answer?: Uint8Array) => void;
  /** A question could not be answered. */
  readonly giveUp: () => void;
}

const CREDIT_MS = 20;

/** A part as it came. */
interface Heard {
  readonly n: number;
  readonly attempt: number;
  readonly question: boolean;
  readonly body: Uint8Array;
}

/** The parts of one call. */
export class PartsIn implements AsyncIterable<Part> {
  readonly #o: PartsInOptions;
  readonly #answers = new Map<number, Uint8Array>();
  #queue: Part[] = [];
  #heard: Heard[] = [];
  #attempt = 0;
  #next = 1;
  #used = 0;
  #credited = 0;
  #timer: NodeJS.Timeout | undefined;
  #dropping: boolean;
  #ended: { readonly error: MeshError | undefined } | undefined;
  #wake: (() => void) | undefined;

  constructor(options: PartsInOptions) {
    this.#o = options;
    this.#dropping = options.drop;
  }

  /** What the call says in its header. */
  get wish(): PartsWish {
    return this.#o.wish;
  }

  /** A message from the stream of this call. */
  receive(headers: HeaderBlock, body: Uint8Array): void {
    const n = Number(headers.get(header.part));
    const attempt = Number(headers.get(header.attempt));
    const question = headers.get(header.question) !== undefined;
    if (!Number.isSafeInteger(n) || !Number.isSafeInteger(attempt) || attempt < this.#attempt) {
      return;
    }
    if (this.#o.attach && this.#attempt === 0) {
      return this.#begin({ n, attempt, question, body });
    }
    if (attempt > this.#attempt) {
      this.#restart(attempt, 1);
    }
    this.#take({ n, attempt, question, body });
  }

  /**
   * Whoever comes later may hear a part before one that was said earlier and is unread too. The agent repeats what is
   * unread, lowest first: what is heard again, or is lower than what was heard, is where reading begins.
   */
  #begin(heard: Heard): void {
    const before = this.#heard.filter(({ attempt }) => attempt === heard.attempt);
    const lowest = Math.min(...before.map(({ n }) => n));
    this.#heard = [...before, heard];
    if (heard.n === 1 || (before.length > 0 && heard.n <= lowest)) {
      this.#restart(heard.attempt, heard.n);
      this.#heard.sort((a, b) => a.n - b.n).forEach((one) => this.#take(one));
      this.#heard = [];
    }
  }

  #take({ n, attempt, question, body }: Heard): void {
    if (n < this.#next) {
      return this.#again(n, question);
    }
    if (n > this.#next) {
      return; // one in between is missing: the agent repeats from there
    }
    this.#next++;
    const value = JSON.parse(Buffer.from(body).toString()) as Json;
    if (question) {
      void this.#ask(n, attempt, value);
    } else if (!this.#dropping) {
      this.#queue.push({ n, attempt, value });
      this.#wake?.();
    }
    this.#giveCredit();
  }

  /** The outcome is there: `total` partial outputs were given before it. */
  end(total: number): void {
    const have = this.#next - 1;
    const missing = !this.#dropping && this.#attempt > 0 && have < total;
    this.#end(missing ? meshError('stream_broken', { have, total }) : undefined);
  }

  /** The call ended without a result. */
  fail(error: MeshError): void {
    this.#end(error);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Part, void, void> {
    try {
      for (;;) {
        const part = this.#queue.shift();
        if (part !== undefined) {
          this.#used = part.attempt === this.#attempt ? part.n : this.#used;
          this.#giveCredit();
          yield part;
        } else if (this.#ended !== undefined) {
          if (this.#ended.error !== undefined) {
            throw this.#ended.error;
          }
          return;
        } else {
          await new Promise<void>((resolve) => (this.#wake = resolve));
        }
      }
    } finally {
      // Nobody reads any more: the agent is not to wait for it.
      this.#dropping = true;
      this.#queue = [];
      this.#giveCredit();
    }
  }

  #restart(attempt: number, next: number): void {
    this.#attempt = attempt;
    this.#next = next;
    this.#used = next - 1;
    this.#credited = next - 1;
    this.#answers.clear();
  }

  /** It came before: what we said of it was lost. */
  #again(n: number, question: boolean): void {
    const answer = this.#answers.get(n);
    if (!question && this.#credited > 0) {
      this.#o.credit(this.#credited);
    } else if (question && answer !== undefined) {
      this.#o.credit(n, answer);
    }
  }

  async #ask(n: number, attempt: number, question: Json): Promise<void> {
    try {
      const answer = encodeJson(await this.#o.onQuestion?.(question), limits.partBytes);
      if (attempt === this.#attempt && this.#ended === undefined) {
        this.#answers.set(n, answer);
        this.#o.credit(n, answer);
      }
    } catch {
      this.#o.giveUp();
    }
  }

  /** Half a window at once, the rest after a moment: one message for many parts. */
  #giveCredit(): void {
    const upTo = this.#queue.length === 0 ? this.#next - 1 : this.#used;
    if (upTo - this.#credited >= Math.ceil(this.#o.wish.window / 2)) {
      this.#credit(upTo);
    } else if (upTo > this.#credited) {
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        this.#credit(this.#queue.length === 0 ? this.#next - 1 : this.#used);
      }, CREDIT_MS);
    }
  }

  #credit(upTo: number): void {
    if (upTo > this.#credited && this.#ended === undefined) {
      this.#credited = upTo;
      this.#o.credit(upTo);
    }
  }

  #end(error: MeshError | undefined): void {
    this.#ended ??= { error };
    clearTimeout(this.#timer);
    this.#wake?.();
  }
}

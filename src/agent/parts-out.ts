/**
 * Partial outputs and questions of one task. Each is numbered and kept until the caller has used it, so that it arrives
 * once and in order; what is kept is bounded by the window the caller asked for, which is the backpressure.
 */
import { meshError } from '../wire/errors.js';
import { header, headerText } from '../wire/headers.js';
import { encodeJson, type Json } from '../wire/json.js';
import { limits } from '../wire/limits.js';
import type { PartsWish } from '../wire/parts.js';
import type { Stop } from './stop.js';

interface Unread {
  readonly body: Uint8Array;
  /** It is a question: told the answer. */
  readonly answered: ((answer: Json) => void) | undefined;
}

/** Sends one part: header block and body. */
export type SayPart = (headers: string, body: Uint8Array) => void;

/** What a task says before its result. */
export class PartsOut {
  readonly #wish: PartsWish;
  readonly #say: SayPart;
  readonly #stop: Stop;
  readonly #unread = new Map<number, Unread>();
  #wakes: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #heardMs = 0;
  #unheard = false;
  /** How many there were. */
  count = 0;

  constructor(wish: PartsWish, say: SayPart, stop: Stop) {
    this.#wish = wish;
    this.#say = say;
    this.#stop = stop;
    stop.signal.addEventListener('abort', () => this.#wake());
  }

  /**
   * Send a partial output; resolves when there is room for the next one. False: nobody reads, it was dropped.
   * Throws body_undecodable, body_too_large, and why the task was stopped.
   */
  async push(value: unknown): Promise<boolean> {
    const body = encodeJson(value, limits.partBytes);
    while (this.#unread.size >= this.#wish.window && !this.#unheard) {
      await this.#change();
    }
    if (this.#unheard) {
      this.count++; // the caller is told how many it missed
      return false;
    }
    this.#add({ body, answered: undefined });
    return true;
  }

  /** Ask the caller; resolves with the answer. Throws no_answer, body_*, and why the task was stopped. */
  async ask(question: unknown, capability: string): Promise<Json> {
    if (!this.#wish.questions) {
      throw meshError('no_answer', { capability });
    }
    const body = encodeJson(question, limits.partBytes);
    let answer: { readonly value: Json } | undefined;
    this.#add({ body, answered: (value) => (answer = { value }) });
    while (answer === undefined) {
      await this.#change();
    }
    return answer.value;
  }

  /** The caller has used everything up to this number. */
  used(upTo: number): void {
    for (const [n, part] of this.#unread) {
      if (n <= upTo && part.answered === undefined) {
        this.#unread.delete(n);
        // Only what is used counts as reading: a caller that merely repeats itself holds nobody up.
        this.#heardMs = performance.now();
      }
    }
    this.#wake();
  }

  /** The caller answers that question. */
  answer(n: number, value: Json): void {
    this.#heardMs = performance.now();
    const asked = this.#unread.get(n);
    if (asked?.answered !== undefined) {
      this.#unread.delete(n);
      asked.answered(value);
      this.#wake();
    }
  }

  /** The handler is done: wait until the caller has used what was said, or does not read any more. */
  async finish(): Promise<void> {
    const open = () => [...this.#unread.values()].some((part) => part.answered === undefined);
    while (open() && !this.#unheard && this.#stop.reason === undefined) {
      await this.#change();
    }
    this.end();
  }

  /** Nothing is repeated any more. */
  end(): void {
    clearInterval(this.#timer);
    this.#unread.clear();
  }

  #add(part: Unread): void {
    const n = ++this.count;
    this.#unread.set(n, part);
    if (this.#timer === undefined) {
      this.#timer = setInterval(() => this.#tick(performance.now()), limits.partRepeatMs);
    }
    if (this.#unread.size === 1) {
      this.#heardMs = performance.now(); // silence counts from the first that waits
    }
    this.#send(n, part);
  }

  #send(n: number, { body, answered }: Unread): void {
    const question = answered === undefined ? undefined : 1;
    this.#say(
      headerText([
        [header.part, n],
        [header.question, question],
      ]),
      body,
    );
  }

  #tick(now: number): void {
    const silentMs = now - this.#heardMs;
    if (silentMs < limits.partRepeatMs) {
      return;
    }
    if (silentMs > limits.partStallMs && [...this.#unread.values()].some((p) => p.answered === undefined)) {
      this.#unheard = true;
      return this.#wake();
    }
    this.#unread.forEach((part, n) => this.#send(n, part));
  }

  /** Something was heard, or the task is to stop: then it throws why. */
  async #change(): Promise<void> {
    if (this.#stop.reason !== undefined) {
      throw this.#stop.reason;
    }
    await new Promise<void>((resolve) => this.#wakes.push(resolve));
    if (this.#stop.reason !== undefined) {
      throw this.#stop.reason;
    }
  }

  #wake(): void {
    const wakes = this.#wakes;
    this.#wakes = [];
    wakes.forEach((wake) => wake());
  }
}

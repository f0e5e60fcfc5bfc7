/**
 * Questions to the interceptors of a stage, and their answers. One subscription and a map of what waits; no timer and no
 * promise for each call.
 *
 * An answer counts when it comes on the subject of the stage, where only interceptors of that stage can publish, to a
 * question that waits, under its nonce, and with the digest of that question. Bytes that the server writes have no such header, whoever
 * names this subject as theirs; an answer of before has another digest, and nothing waits for it.
 */
import { randomBytes } from 'node:crypto';
import type { Msg } from '../../fabric/connection.js';
import { headersOf } from '../../fabric/raw.js';
import { send } from '../../fabric/sender.js';
import { askedDigest } from '../../wire/asked.js';
import { parse, pattern, subject } from '../../wire/generated/subjects.js';
import type { Check, StageAnswer } from '../../wire/generated/messages.js';
import { header, headerBlock, headerLine } from '../../wire/headers.js';
import { limits } from '../../wire/limits.js';
import type { Token } from '../../wire/names.js';
import type { Stage } from '../../wire/stages.js';
import type { Core } from '../core.js';

/** What came back: an answer that was read, or why there is none. */
export type Heard = { readonly answer: StageAnswer } | { readonly why: string };

interface Question {
  readonly stage: Stage;
  readonly text: string;
  readonly body: Uint8Array;
  readonly untilMs: number;
  readonly done: (heard: Heard) => void;
  /** When it is asked again, in monotonic ms. */
  againMs: number;
  nobody: boolean;
}

const SWEEP_MS = 10;
const KNOCK_MS = 1_000;
const KNOCK = 'knock' as Token;
const EMPTY = new Uint8Array(0);

/** Asks. */
export class Asker {
  readonly #core: Pick<Core, 'nc' | 'name' | 'log'>;
  readonly #waiting = new Map<string, Question>();
  readonly #unguessable = randomBytes(16).toString('hex');
  #next = 0;
  #timer: NodeJS.Timeout | undefined;
  #knocks: NodeJS.Timeout | undefined;
  #sub: { unsubscribe(): void } | undefined;
  readonly #stages: readonly Stage[];
  readonly #nobody = new Set<string>();
  /** Stages that nobody listened for, a moment ago. */
  absent: readonly Stage[] = [];

  constructor(core: Pick<Core, 'nc' | 'name' | 'log'>, stages: readonly Stage[]) {
    this.#core = core;
    this.#stages = stages;
  }

  /** Hear answers, and look who is there. Resolves when that is known for the first time. */
  async start(): Promise<void> {
    const own = pattern.stage.split('.');
    own[4] = this.#core.name;
    // Plain, because the server tells "nobody listens" only to a plain subscription of whoever published.
    this.#sub = this.#core.nc.subscribe(own.join('.'), {
      callback: (err, msg) => (err === null ? this.#hear(msg) : undefined),
    });
    this.#timer = setInterval(() => this.#sweep(performance.now()), SWEEP_MS);
    this.#timer.unref();
    this.#knock();
    await this.#core.nc.flush();
    this.#knocks = setInterval(() => this.#knock(), KNOCK_MS);
    this.#knocks.unref();
    this.#look();
  }

  /** An empty message, which interceptors pass over: the server says when it went to nobody. */
  #knock(): void {
    this.#look();
    for (const stage of this.#stages) {
      const at = { stage: stage as string as Token, gateway: this.#core.name };
      this.#core.nc.publish(subject.check(at), EMPTY, { reply: subject.stage({ ...at, nonce: KNOCK }) });
    }
  }

  #look(): void {
    this.absent = this.#stages.filter((stage) => this.#nobody.has(stage));
    this.#nobody.clear();
  }

  /** Ask no more; what waits hears so. */
  stop(): void {
    clearInterval(this.#timer);
    clearInterval(this.#knocks);
    this.#timer = undefined;
    this.#sub?.unsubscribe();
    for (const nonce of [...this.#waiting.keys()]) {
      this.#end(nonce, { why: 'the gateway stops' });
    }
  }

  /** Questions without an answer. */
  get size(): number {
    return this.#waiting.size;
  }

  /** A name for the next question that nobody can guess. */
  nonce(): string {
    return `${this.#unguessable}${(this.#next++).toString(36)}`;
  }

  /** Ask until `untilMs` (monotonic). `done` is called once, never before this returns. */
  ask(stage: Stage, check: Check, body: Uint8Array, untilMs: number, done: (heard: Heard) => void): void {
    const text = JSON.stringify(check);
    const question: Question = { stage, text, body, untilMs, done, againMs: 0, nobody: false };
    if (this.#timer === undefined || this.#waiting.size >= limits.stageQuestions) {
      const why = this.#timer === undefined ? 'the gateway stops' : 'too many questions wait';
      return void setImmediate(done, { why });
    }
    this.#waiting.set(check.nonce, question);
    this.#publish(check.nonce, question);
  }

  #publish(nonce: string, question: Question): void {
    const { stage, text, body } = question;
    const at = { stage: stage as string as Token, gateway: this.#core.name };
    const reply = subject.stage({ ...at, nonce: nonce as Token });
    question.nobody = false;
    question.againMs = performance.now() + limits.stageTryMs;
    try {
      send(this.#core.nc, subject.check(at), body, headerBlock(headerLine(header.check, text)), reply);
    } catch (err) {
      setImmediate(() => this.#end(nonce, { why: String(err) }));
    }
  }

  #hear(msg: Msg): void {
    const p = parse.stage(msg.subject);
    if (p?.nonce === KNOCK && headersOf(msg).statusCode === 503) {
      return void this.#nobody.add(p.stage);
    }
    const question = p === undefined ? undefined : this.#waiting.get(p.nonce);
    if (p === undefined || question === undefined || question.stage !== p.stage) {
      return;
    }
    const headers = headersOf(msg);
    if (headers.statusCode === 503) {
      question.nobody = true;
      question.againMs = performance.now() + limits.stagePauseMs;
      return;
    }
    const answer = readAnswer(headers.get(header.stage));
    if (answer?.asked === askedDigest(question.text, question.body)) {
      this.#end(p.nonce, { answer });
    }
  }

  #end(nonce: string, heard: Heard): void {
    const question = this.#waiting.get(nonce);
    if (question !== undefined) {
      this.#waiting.delete(nonce);
      question.done(heard);
    }
  }

  #sweep(nowMs: number): void {
    for (const [nonce, question] of this.#waiting) {
      if (nowMs >= question.untilMs) {
        this.#end(nonce, { why: question.nobody ? 'none is there' : 'none answered' });
      } else if (nowMs >= question.againMs) {
        this.#publish(nonce, question);
      }
    }
  }
}

function readAnswer(text: string | undefined): StageAnswer | undefined {
  try {
    const answer = text === undefined ? undefined : (JSON.parse(text) as StageAnswer | null);
    return typeof answer?.proven === 'object' ? answer : undefined;
  } catch {
    return undefined;
  }
}

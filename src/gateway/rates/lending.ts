/**
 * Lending: a gateway that is short of a limit asks the others, who give what they do without. Nobody waits for an
 * answer on the path of a call that fits. It rests on the order in which a server gives what one connection says to
 * another: what was given back is heard of before what was asked for later.
 */
import type { Msg, Subscription } from '../../fabric/connection.js';
import { headersOf, rawHeaders } from '../../fabric/raw.js';
import type { AnyAccount } from '../../domain/rate/account.js';
import type { RateBook } from '../../domain/rate/book.js';
import { subject } from '../../wire/generated/subjects.js';
import type { Share } from '../../wire/generated/messages.js';
import { encodeHeaders, header } from '../../wire/headers.js';
import { limits } from '../../wire/limits.js';
import { isToken, type Token } from '../../wire/names.js';
import type { Voice } from './voice.js';

const ALL = 'all' as Token;
const RENEW_MS = 400;
/** Questions that are remembered. */
const OPEN = 64;
const MOST_KEYS = 256;

interface Asked {
  readonly sentMs: number;
  readonly accounts: readonly AnyAccount[];
  answers: number;
}

/** Asks and answers. */
export class Lending {
  readonly #core: Voice;
  readonly #book: RateBook;
  readonly #gateways: () => readonly string[];
  readonly #onAnswer: () => void;
  readonly #open = new Map<number, Asked>();
  /** What is short, and asked for with the next message. */
  readonly #short = new Set<AnyAccount>();
  readonly #borrowing = new Set<AnyAccount>();
  #subs: Subscription[] = [];
  #timer: NodeJS.Timeout | undefined;
  #count = 0;

  /** `onAnswer`: calls that wait for it may be tried again. */
  constructor(core: Voice, book: RateBook, gateways: () => readonly string[], onAnswer: () => void) {
    this.#core = core;
    this.#book = book;
    this.#gateways = gateways;
    this.#onAnswer = onAnswer;
  }

  /** Begin to listen. */
  start(): void {
    const { nc, name } = this.#core;
    const hear = (gateway: Token) =>
      nc.subscribe(subject.share({ gateway }), {
        callback: (err, msg) => (err === null ? this.#heard(msg) : undefined),
      });
    this.#subs = [hear(name), hear(ALL)];
    this.#timer = setInterval(() => this.#renew(), RENEW_MS);
  }

  /** Ask and answer no more; what was lent comes back by time. */
  stop(): void {
    clearInterval(this.#timer);
    this.#subs.forEach((sub) => sub.unsubscribe());
  }

  /** This one is short of something: ask once for it, with whatever else is asked for now. */
  wanted(account: AnyAccount): void {
    const nowMs = performance.now();
    if (nowMs < account.dryUntilMs || this.#short.size >= MOST_KEYS) {
      return;
    }
    account.dryFromMs = nowMs + limits.borrowMs;
    account.dryUntilMs = nowMs + limits.dryMs;
    this.#ask(account);
  }

  #ask(account: AnyAccount): void {
    if (this.#short.size === 0) {
      setImmediate(() => this.#flush());
    }
    this.#short.add(account);
  }

  #flush(): void {
    const accounts = [...this.#short];
    this.#short.clear();
    const sentMs = performance.now();
    const asked = ++this.#count;
    this.#open.set(asked, { sentMs, accounts, answers: 0 });
    const [oldest] = this.#open.keys();
    if (this.#open.size > OPEN && oldest !== undefined) {
      this.#open.delete(oldest);
    }
    const short = Object.fromEntries(accounts.map((one) => [one.key, one.needs(sentMs)]));
    this.#say(ALL, { asked, short });
  }

  #say(gateway: Token, said: Share): void {
    const { nc, name } = this.#core;
    if (!nc.isClosed()) {
      const headers = rawHeaders(encodeHeaders([[header.instance, name]]));
      nc.publish(subject.share({ gateway }), JSON.stringify(said), { headers });
    }
  }

  /** Bytes that the server wrote have no such header. */
  #heard(msg: Msg): void {
    const from = headersOf(msg).get(header.instance);
    if (from === undefined || from === this.#core.name || !isToken(from)) {
      return;
    }
    const said = msg.json<Share>();
    if (said.short !== undefined) {
      this.#answer(from, said.asked, said.short);
    } else {
      this.#take(from, said);
    }
  }

  #answer(from: Token, asked: number, short: Readonly<Record<string, number>>): void {
    const nowMs = performance.now();
    const lent: Record<string, number> = {};
    const back: Record<string, number> = {};
    for (const [key, need] of Object.entries(short)) {
      const answer = this.#book.account(key, nowMs)?.answer(from, this.#core.name, need, nowMs) ?? {};
      if (answer.lent !== undefined) {
        lent[key] = answer.lent;
      }
      if (answer.back !== undefined) {
        back[key] = answer.back;
      }
    }
    this.#say(from, { asked, lent, back });
  }

  #take(from: string, { asked, lent = {}, back = {} }: Share): void {
    const question = this.#open.get(asked);
    if (question === undefined) {
      return;
    }
    question.answers++;
    const nowMs = performance.now();
    const last = question.answers >= this.#gateways().length;
    for (const account of question.accounts) {
      const { key } = account;
      const answer = {
        ...(lent[key] === undefined ? {} : { lent: lent[key] }),
        ...(back[key] === undefined ? {} : { back: back[key] }),
      };
      if (answer.lent !== undefined && account.returns) {
        this.#borrowing.add(account);
      }
      if (account.hear(from, answer, question.sentMs, nowMs)) {
        account.dryUntilMs = nowMs; // there may be more
      } else if (last) {
        account.dryFromMs = Math.min(account.dryFromMs, nowMs);
      }
    }
    if (last) {
      this.#open.delete(asked);
    }
    this.#onAnswer();
  }

  /** What was borrowed and is used is asked for again before its time is over. */
  #renew(): void {
    const nowMs = performance.now();
    for (const account of this.#borrowing) {
      if (account.loans?.lenders(nowMs).length === 0) {
        this.#borrowing.delete(account);
      } else if (account.inUse(nowMs)) {
        this.#ask(account);
      }
    }
  }
}

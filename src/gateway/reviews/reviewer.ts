/**
 * Puts questions to reviewing agents. Each is a call of the gateway's own through the chain of every call: recorded,
 * routed, and settled once. Whoever asks the same again comes upon the same call.
 */
import { randomBytes } from 'node:crypto';
import type { Msg } from '../../fabric/connection.js';
import { freshInbox, headersOf } from '../../fabric/raw.js';
import {
  parties,
  questionOf,
  readAnswer,
  REVIEWER,
  reviewId,
  type Ask,
  type Review,
  type Reviewed,
} from '../../domain/reviews.js';
import type { Incoming } from '../../chain/draft.js';
import type { OutcomeRecord } from '../../wire/generated/messages.js';
import { header } from '../../wire/headers.js';
import { limits } from '../../wire/limits.js';
import type { Capability } from '../../wire/names.js';
import type { Admitter } from '../admit.js';
import type { Core } from '../core.js';
import type { Origin } from '../origin.js';
import { readOutcome } from '../records.js';
import { readRegister } from '../settle.js';
import type { WaitingRoom } from '../waiting.js';

/** What is asked, and of whom. */
export interface Question {
  readonly ask: Ask;
  readonly reviewed: Reviewed;
  /** Stands for everything that is asked about. */
  readonly digest: string;
  /** Birth of the call that is reviewed, and the latest instant at which an answer helps (epoch ms). */
  readonly bornMs: number;
  readonly deadlineMs: number;
  /** Its place in the trace. */
  readonly traceparent: string | undefined;
}

type Said = Pick<Review, 'allow' | 'by' | 'reason' | 'unanswered'>;
/** One question that waits for its answer. */
interface Asked {
  readonly id: string;
  end(said: Said): void;
  /** Somebody else decided the review: its outcome is looked for. */
  poll(): void;
}

/** Asks reviewing agents while it is started. */
export class Reviewer {
  readonly #core: Core;
  readonly #admitter: Admitter;
  readonly #waiting: WaitingRoom;
  readonly #inbox: string;
  readonly #asked = new Map<string, Asked>();

  constructor(core: Core, admitter: Admitter, waiting: WaitingRoom) {
    this.#core = core;
    this.#admitter = admitter;
    this.#waiting = waiting;
    this.#inbox = freshInbox(core.nc);
  }

  /** Hear answers. Returns how to stop. */
  start(): () => void {
    const sub = this.#core.nc.subscribe(`${this.#inbox}.*`, {
      callback: (err, msg) => (err === null ? this.#heard(msg) : undefined),
    });
    return () => sub.unsubscribe();
  }

  /** Ask. Always answered: what is no answer, or comes too late, is a no that says why. */
  ask(question: Question): Promise<Review> {
    const { ask, reviewed, digest, bornMs, deadlineMs } = question;
    const now = Date.now();
    const { rule, capability } = ask;
    const not = parties(reviewed);
    const nobody = this.#nobody(capability, not);
    if (nobody !== undefined) {
      return Promise.resolve({ rule, capability, allow: false, unanswered: nobody, at: now });
    }
    const id = reviewId(this.#core.ring, digest, rule, bornMs, now);
    const until = Math.min(now + ask.timeoutMs, deadlineMs);
    if (until <= now) {
      return Promise.resolve({ rule, capability, ...no('there is no time left'), at: now });
    }
    return new Promise((resolve) => {
      const token = randomBytes(12).toString('hex');
      let polls: NodeJS.Timeout | undefined;
      const end = (said: Said): void => {
        clearTimeout(timer);
        clearTimeout(polls);
        if (this.#asked.delete(token)) {
          resolve({ rule, capability, call: `${REVIEWER}.${id}`, ...said, at: Date.now() });
        }
      };
      let delay: number = limits.askPollMs;
      const poll = (): void => {
        polls ??= setTimeout(() => {
          polls = undefined;
          delay = Math.min(2 * delay, limits.askPollMaxMs);
          void this.#look(id, end).finally(() => (this.#asked.has(token) ? poll() : undefined));
        }, delay);
      };
      const late = `no answer within ${until - now} ms`;
      const timer = setTimeout(() => end(no(late)), until - now);
      this.#asked.set(token, { id, end, poll });
      try {
        this.#offer(question, { id, until, not, reply: `${this.#inbox}.${token}`, poll });
      } catch (err) {
        end(no(`it could not be asked: ${String(err)}`));
      }
    });
  }

  /** Why nobody can answer, as far as the registry knows. */
  #nobody(capability: string, not: readonly string[]): string | undefined {
    const entry = this.#core.registry.find(capability as Capability, undefined);
    const agents = [...(entry?.offers.keys() ?? [])];
    if (agents.length === 0) {
      return 'no agent offers it';
    }
    return agents.every((agent) => not.includes(agent))
      ? 'whoever offers it has a part in the call'
      : undefined;
  }

  #offer(
    { ask, reviewed, traceparent }: Question,
    to: { id: string; until: number; not: string[]; reply: string; poll: () => void },
  ): void {
    const headers = new Map([
      [header.call, to.id],
      [header.deadline, String(to.until)],
      ...(traceparent === undefined ? [] : [[header.traceparent, traceparent] as const]),
    ]);
    const of = `${reviewed.from}.${reviewed.call}`;
    const incoming: Incoming = {
      from: REVIEWER,
      capability: ask.capability,
      headers,
      body: questionOf(reviewed, ask),
      review: { of, rule: ask.rule, root: reviewed.root, not: to.not },
    };
    const nothing = (): void => undefined;
    const origin: Origin = { kind: 'ask', reply: to.reply, durable: nothing, undone: nothing };
    const key = `${REVIEWER}.${to.id}`;
    if (this.#waiting.has(key)) {
      return to.poll();
    }
    const wait = () =>
      this.#waiting.add({ key, incoming, origin, capability: ask.capability, sinceMs: Date.now() });
    if (this.#admitter.admit(incoming, origin, to.id, false, wait) === 'held') {
      wait();
    }
  }

  /** Bytes that the server wrote have no headers: they answer nothing. */
  #heard(msg: Msg): void {
    const asked = this.#asked.get(msg.subject.slice(this.#inbox.length + 1));
    const headers = headersOf(msg);
    if (asked === undefined) {
      return;
    }
    const record = readOutcome(headers);
    const code = headers.get(header.serviceErrorCode);
    if (record !== undefined) {
      if (record.from === REVIEWER && record.call === asked.id) {
        asked.end(saidIn(record, msg.data));
      }
    } else if (code === 'outcome_pending') {
      asked.poll();
    } else if (code !== undefined) {
      asked.end(no(`it could not be asked (${code})`));
    }
  }

  async #look(id: string, end: (said: Said) => void): Promise<void> {
    const found = await readRegister(this.#core, REVIEWER, id).catch(() => undefined);
    if (found !== undefined) {
      end(saidIn(found.record, found.body));
    }
  }
}

/** All answers, or those until the first no. */
export function gather(asks: readonly Ask[], one: (ask: Ask) => Promise<Review>): Promise<Review[]> {
  return new Promise((resolve, reject) => {
    const said: Review[] = [];
    for (const ask of asks) {
      one(ask).then((review) => {
        said.push(review);
        if (!review.allow || said.length === asks.length) {
          resolve([...said]);
        }
      }, reject);
    }
  });
}

function no(why: string, by?: string): Said {
  return { allow: false, unanswered: why.slice(0, 200), ...(by === undefined ? {} : { by }) };
}

function saidIn({ status, code, agent, type, bodyRef }: OutcomeRecord, body: Uint8Array): Said {
  const by = agent === 'none' ? undefined : agent;
  if (status !== 'completed') {
    return no(`its review is ${status} (${code ?? ''})`, by);
  }
  if (bodyRef !== undefined) {
    return no('its answer came by reference', by);
  }
  try {
    const { allow, reason } = readAnswer(type ?? 'json', body);
    return {
      allow,
      ...(reason === undefined ? {} : { reason }),
      ...(by === undefined ? {} : { by }),
    };
  } catch (err) {
    return no(err instanceof Error ? err.message : 'its answer cannot be read', by);
  }
}

/**
 * Calls that reviewing agents are asked about before they are dispatched. The call stays with its source, unacknowledged:
 * a gateway that dies meanwhile loses nothing, and the next one asks the same again. Nobody waits behind it.
 */
import { reviewedOf } from '../../chain/reviews.js';
import type { Draft, Incoming } from '../../chain/draft.js';
import type { ReviewHold } from '../../chain/verdict.js';
import type { Ask, Review } from '../../domain/reviews.js';
import { limits } from '../../wire/limits.js';
import type { Admitter } from '../admit.js';
import type { Core } from '../core.js';
import type { Origin } from '../origin.js';
import { idsOf } from '../sight.js';
import type { WaitingRoom } from '../waiting.js';
import { gather, type Reviewer } from './reviewer.js';

/** Asks about calls before they are dispatched, and offers them to the chain again with the answers. */
export class BeforeDispatch {
  readonly #core: Core;
  readonly #admitter: Admitter;
  readonly #waiting: WaitingRoom;
  readonly #reviewer: Reviewer;

  constructor(core: Core, admitter: Admitter, waiting: WaitingRoom, reviewer: Reviewer) {
    this.#core = core;
    this.#admitter = admitter;
    this.#waiting = waiting;
    this.#reviewer = reviewer;
  }

  /** Ask about a call; it goes on when there are answers. */
  hold(draft: Draft, incoming: Incoming, hold: ReviewHold, origin: Origin, fallbackId: string): void {
    const { asks } = hold;
    const key = `${draft.who}.${draft.id}`;
    if (origin.kind === 'parked' && this.#waiting.has(key)) {
      return origin.undone(); // the supervisor asks for it again while its first wish is not done
    }
    const go = (reviews: Review[]) => this.#goOn(draft, incoming, { ...hold, reviews }, origin, fallbackId);
    if (this.#waiting.asking >= limits.asking) {
      return go(asks.map((ask) => tooMany(ask)));
    }
    const back = this.#waiting.away(key);
    origin.waits?.();
    const keep = setInterval(() => origin.waits?.(), limits.askKeepMs);
    const reviewed = reviewedOf(draft, this.#core.policy.digest);
    const facts = {
      reviewed,
      digest: hold.digest,
      bornMs: draft.bornMs,
      deadlineMs: draft.deadlineMs,
      traceparent: this.#core.sight.childOf(draft),
    };
    void gather(asks, (ask) => this.#reviewer.ask({ ask, ...facts }))
      .finally(() => {
        clearInterval(keep);
        back();
      })
      .then(go)
      .catch((err: unknown) => {
        const ids = idsOf({ from: draft.who, call: draft.id, root: draft.root });
        this.#core.log.warn({ ...ids, err: String(err) }, 'a call could not be reviewed');
        origin.undone();
      });
  }

  #goOn(
    draft: Draft,
    incoming: Incoming,
    { digest, reviews }: ReviewHold & { reviews: Review[] },
    origin: Origin,
    fallbackId: string,
  ): void {
    const agent = draft.instance?.agent ?? '';
    const answers = { digest, agent, reviews, rounds: (incoming.answers?.rounds ?? 0) + 1 };
    const next = { ...incoming, answers };
    if (!this.#core.nc.isClosed() && this.#admitter.admit(next, origin, fallbackId) === 'held') {
      this.#wait(draft, next, origin, agent);
    }
  }

  /** Nobody is free: it waits for this agent only, so it must not stand in the way of those that take any. */
  #wait(draft: Draft, incoming: Incoming, origin: Origin, agent: string): void {
    if (origin.kind === 'call' || origin.kind === 'ask') {
      const { capability } = incoming;
      const queue = `${capability} ${agent}`;
      const key = `${draft.who}.${draft.id}`;
      return this.#waiting.add({ key, incoming, origin, capability, queue, sinceMs: Date.now() });
    }
    return origin.held === undefined ? origin.undone() : origin.held();
  }
}

function tooMany({ rule, capability }: Ask): Review {
  const unanswered = 'this gateway waits for answers about too many calls';
  return { rule, capability, allow: false, unanswered, at: Date.now() };
}

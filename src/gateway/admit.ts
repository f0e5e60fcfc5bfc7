/**
 * Admission: a call from any source goes through the chain, and what the chain says is done.
 */
import { runChain } from '../chain/chain.js';
import { draftOf, type Draft, type Incoming } from '../chain/draft.js';
import type { ReviewHold } from '../chain/verdict.js';
import { meshError, type MeshError } from '../wire/errors.js';
import { birthOf, isCallId } from '../wire/ulid.js';
import { header } from '../wire/headers.js';
import { limits } from '../wire/limits.js';
import type { Cancels } from './cancels.js';
import type { Core } from './core.js';
import type { Decider } from './decide.js';
import { isBlind } from './fallen.js';
import { hold } from './hold.js';
import type { Origin } from './origin.js';
import type { UndispatchedStatus } from './records.js';
import { replyError } from './reply.js';
import type { Waiting } from './waiting.js';

/** What became of a call that was offered: `decided` also when it waits for approval or for answers of other agents. */
export type Admission = 'decided' | 'held';

/** Asks reviewing agents about a call. */
export type AskReviewers = (
  draft: Draft,
  incoming: Incoming,
  hold: ReviewHold,
  origin: Origin,
  fallbackId: string,
) => void;

/** Admits calls. */
export class Admitter {
  readonly #core: Core;
  readonly #decider: Decider;
  readonly #cancels: Cancels;

  constructor(core: Core, decider: Decider, cancels: Cancels) {
    this.#core = core;
    this.#decider = decider;
    this.#cancels = cancels;
  }

  /**
   * Run the chain over a call. `fallbackId` names a call whose own id cannot be read (`seq-{n}`).
   * `waited`: it was held before, so a passed deadline means that nobody was free.
   * Returns `held` when it must wait; the source then keeps it.
   */
  admit(incoming: Incoming, origin: Origin, fallbackId: string, waited = false): Admission {
    const draft = draftOf(incoming, Date.now());
    const { overload, sight } = this.#core;
    sight.entered(draft);
    if (overload !== undefined && origin.kind !== 'parked') {
      const error = meshError('overloaded', { what: overload.stream, percent: Math.round(overload.percent) });
      return this.#refuse(draft, fallbackId, 'refused', error, origin);
    }
    if (isBlind(this.#core)) {
      return this.#unseen(draft, fallbackId, origin);
    }
    const verdict = runChain(draft, this.#core);
    sight.judged(draft);
    this.#core.shadow?.judged(draft, verdict);
    if (verdict.verdict === 'deny') {
      if (waited && verdict.status === 'expired') {
        const error = meshError('no_agent', { capability: draft.what });
        return this.#refuse(draft, fallbackId, 'expired', error, origin);
      }
      return this.#refuse(draft, fallbackId, verdict.status, verdict.error, origin);
    }
    if (this.#cancels.wasCancelled(`${draft.from}.${draft.id}`)) {
      return this.#refuse(draft, draft.id, 'cancelled', meshError('cancelled'), origin);
    }
    if (verdict.verdict === 'hold') {
      if (verdict.why === 'capacity') {
        return 'held';
      }
      if (verdict.why === 'review') {
        this.review(draft, incoming, verdict, origin, fallbackId);
      } else {
        hold(this.#core, draft, verdict.approval, origin);
      }
      return 'decided';
    }
    this.#decider.allow(verdict.call, origin);
    return 'decided';
  }

  /** Asks reviewing agents about a call, which is offered again with their answers. Set before the first call. */
  review: AskReviewers = () => {
    throw new Error('nobody asks reviewing agents');
  };

  /** What was revoked cannot be seen: a call waits, here or parked, and whoever waits for an answer is told. */
  #unseen(draft: Draft, fallbackId: string, origin: Origin): Admission {
    if (origin.kind === 'call' || origin.kind === 'parked') {
      return 'held';
    }
    const error = meshError('unavailable', {
      waitedMs: limits.blindMs,
      why: 'what was revoked cannot be seen',
    });
    return this.#refuse(draft, fallbackId, 'refused', error, origin);
  }

  /** Try a waiting call again. */
  retry(w: Waiting): boolean {
    return this.admit(w.incoming, w.origin, w.key, true) === 'decided';
  }

  /** Was this call cancelled before it was decided? `key` is `from.call`. */
  wasCancelled(key: string): boolean {
    return this.#cancels.wasCancelled(key);
  }

  /** A call that will not be dispatched, whatever the chain would say of it. `known`: what is known of it already. */
  end(
    incoming: Incoming,
    origin: Origin,
    id: string,
    status: UndispatchedStatus,
    error: MeshError,
    known: Partial<Draft> = {},
  ): void {
    const draft = Object.assign(draftOf(incoming, Date.now()), known);
    this.#core.sight.entered(draft);
    if (isCallId(id)) {
      draft.bornMs = birthOf(id);
    }
    this.#decider.refuse(draft, id, status, error, origin);
  }

  #refuse(
    draft: Draft,
    fallbackId: string,
    status: UndispatchedStatus,
    error: MeshError,
    origin: Origin,
  ): Admission {
    const named = draft.id !== '' ? draft.id : (draft.headers.get(header.call) ?? '');
    const id = isCallId(named) ? named : fallbackId;
    if (!isCallId(id) && origin.kind === 'ask' && origin.reply !== undefined) {
      // An ask without a readable id was never accepted: there is nothing to record, only somebody to tell.
      replyError(this.#core, origin.reply, error);
      origin.durable();
      return 'decided';
    }
    this.#decider.refuse(draft, id, status, error, origin);
    return 'decided';
  }
}

/**
 * Admission: a call from any source goes through the chain, and what the chain says is done.
 */
import { behindOf } from '../chain/breaking.js';
import { runChain, type ChainVerdict } from '../chain/chain.js';
import { draftOf, type Draft, type Incoming } from '../chain/draft.js';
import type { ReviewHold } from '../chain/verdict.js';
import { laneOf } from '../domain/rate/lane.js';
import { meshError, type MeshError } from '../wire/errors.js';
import { birthOf, isCallId } from '../wire/ulid.js';
import { header } from '../wire/headers.js';
import { limits } from '../wire/limits.js';
import type { Token } from '../wire/names.js';
import type { Cancels } from './cancels.js';
import type { Core } from './core.js';
import type { Decider } from './decide.js';
import { isBlind } from './fallen.js';
import { hold } from './hold.js';
import type { Origin } from './origin.js';
import type { UndispatchedStatus } from './records.js';
import { replyError } from './reply.js';
import { overloadOf } from './shed.js';
import type { SplitChain } from './split/judge.js';
import type { Waiting } from './waiting.js';

/**
 * What became of a call that was offered: `decided` also when it waits for approval or for answers of other agents;
 * `asked` when a stage of the chain is judged elsewhere.
 */
export type Admission = 'decided' | 'held' | 'asked';

/** It must wait; `queue`: for those that wait for the same, where that is not a free instance. */
export type OnHeld = (queue?: string) => void;

const nobody: OnHeld = () => undefined;

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
  /** Whom a call was meant for while the ledger was asked: it would find the next agent's purse empty again. */
  readonly #meant = new WeakMap<Incoming, Token>();
  readonly #split: SplitChain | undefined;

  /** With `split` some stages of the chain are judged by interceptors. */
  constructor(core: Core, decider: Decider, cancels: Cancels, split?: SplitChain) {
    this.#core = core;
    this.#decider = decider;
    this.#cancels = cancels;
    this.#split = split;
  }

  /**
   * Run the chain over a call. `fallbackId` names a call whose own id cannot be read (`seq-{n}`).
   * `waited`: it was held before, so a passed deadline means that nobody was free.
   * Returns `held` when it must wait; the source then keeps it. With `asked`, `onHeld` says so, at once or later.
   */
  admit(
    incoming: Incoming,
    origin: Origin,
    fallbackId: string,
    waited = false,
    onHeld: OnHeld = nobody,
  ): Admission {
    const draft = draftOf(incoming, Date.now());
    draft.meant = this.#meant.get(incoming);
    this.#core.sight.entered(draft);
    if (this.#core.overload !== undefined) {
      const priority = laneOf(this.#core, incoming.from, incoming.headers);
      const error = overloadOf(this.#core, priority);
      if (error !== undefined && priority === 'batch' && origin.kind !== 'ask') {
        return 'held';
      }
      if (error !== undefined && origin.kind !== 'parked') {
        return this.#refuse(draft, fallbackId, 'refused', error, origin);
      }
    }
    if (isBlind(this.#core)) {
      return this.#unseen(draft, fallbackId, origin);
    }
    if (this.#split === undefined) {
      return this.#act(draft, incoming, runChain(draft, this.#core), origin, fallbackId, waited, onHeld);
    }
    const said = this.#split.judge(draft, waited, (judged, verdict) => {
      if (isUnproven(verdict) && mayStay(judged, origin)) {
        origin.undone();
      } else if (this.#act(judged, incoming, verdict, origin, fallbackId, waited, onHeld) === 'held') {
        onHeld();
      }
    });
    return said === undefined
      ? 'asked'
      : this.#act(draft, incoming, said, origin, fallbackId, waited, onHeld);
  }

  #act(
    draft: Draft,
    incoming: Incoming,
    verdict: ChainVerdict,
    origin: Origin,
    fallbackId: string,
    waited: boolean,
    onHeld: OnHeld,
  ): Admission {
    this.#core.sight.judged(draft);
    this.#core.shadow?.judged(draft, verdict);
    if (verdict.verdict === 'deny') {
      this.#core.rates.refused(draft);
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
      if (verdict.why === 'rate') {
        this.#core.rates.pace(incoming, draft);
        return 'held';
      }
      this.#core.rates.unpace(incoming);
      if (verdict.why === 'capacity') {
        this.#core.rates.borrow(draft);
        return 'held';
      }
      if (verdict.why === 'budget') {
        this.#meant.set(incoming, draft.instance?.agent ?? draft.who);
        this.#core.budget.want(draft.budget?.nodes ?? [], draft.budget?.reserve ?? {});
        onHeld(`budget ${verdict.node}`);
        return onHeld === nobody ? 'held' : 'asked';
      }
      if (verdict.why === 'review') {
        this.review(draft, incoming, verdict, origin, fallbackId);
      } else {
        hold(this.#core, draft, verdict.approval, origin);
      }
      return 'decided';
    }
    const { instance, what, who, root } = verdict.call;
    const { breakers } = this.#core;
    if (breakers.active(what) && !breakers.suits(instance, what, behindOf(who, root))) {
      return 'held'; // it went out, or its probe was taken, while others were asked
    }
    this.#core.rates.borrow(draft); // another agent would have been chosen
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

  /** Try a waiting call again. False: it goes on waiting. `onHeld`: it must wait again, as was found out later. */
  retry(w: Waiting, onHeld: OnHeld): boolean {
    if (this.#split?.mayRetry(w.incoming) === false) {
      return false;
    }
    let now = true;
    let stays = false;
    const held: OnHeld = (queue) => {
      stays = now && queue !== undefined && queue === w.queue;
      return stays ? undefined : onHeld(queue);
    };
    const said = this.admit(w.incoming, w.origin, w.key, true, held);
    now = false;
    return said !== 'held' && !stays;
  }

  /** What the chain says of a call, without any effect. */
  async tried(incoming: Incoming): Promise<ChainVerdict> {
    const draft = draftOf(incoming, Date.now());
    const split = this.#split;
    return split === undefined
      ? runChain(draft, this.#core)
      : await new Promise((resolve) => {
          const said = split.judge(draft, false, (_, verdict) => resolve(verdict));
          if (said !== undefined) {
            resolve(said);
          }
        });
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

/** A stage was not judged in time. */
function isUnproven(verdict: ChainVerdict): boolean {
  return verdict.verdict === 'deny' && verdict.error.code === 'interceptor_unavailable';
}

/** What lies somewhere durably is not refused for it, while it has time: it is tried again. */
function mayStay({ headers, bornMs }: Draft, { kind }: Origin): boolean {
  const deadlineMs = Number(headers.get(header.deadline) ?? bornMs + limits.deadlineDefaultMs);
  return (kind === 'parked' || kind === 'replay') && Date.now() < deadlineMs;
}

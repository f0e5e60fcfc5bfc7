/**
 * Answers that reviewing agents are asked about before they are final. The effect has happened: what they can still do
 * is to withhold the answer. It lies with its agent until the outcome is durable, so a gateway may die meanwhile.
 */
import { noOf } from '../../chain/reviews.js';
import { gather, type Reviewer } from './reviewer.js';
import type { Used } from '../../wire/usage.js';
import { parseBodyRef } from '../../domain/body-ref.js';
import { reviewDigest, type Review, type Reviewed } from '../../domain/reviews.js';
import { readBody, type BodyType } from '../../wire/content.js';
import { bytesDigest } from '../../wire/digest.js';
import { meshError } from '../../wire/errors.js';
import type { OutcomeRecord } from '../../wire/generated/messages.js';
import { limits } from '../../wire/limits.js';
import type { Core } from '../core.js';
import type { OpenCall } from '../open.js';
import { idsOf } from '../sight.js';
import type { Settler } from '../settle.js';

/** A valid answer of an agent. */
export interface Answer {
  readonly body: Uint8Array;
  readonly used: Used;
  /** What stands in the outcome beside it. */
  readonly more: Pick<OutcomeRecord, 'type' | 'bodyRef' | 'parts'>;
}

/** Asks about answers, and settles. */
export class BeforeOutcome {
  readonly #core: Core;
  readonly #reviewer: Reviewer;
  readonly #settler: Settler;

  constructor(core: Core, reviewer: Reviewer, settler: Settler) {
    this.#core = core;
    this.#reviewer = reviewer;
    this.#settler = settler;
  }

  /** Ask about the answer of a call; it is settled with it, or without. */
  hold(call: OpenCall, answer: Answer): void {
    const { record } = call;
    const { asks = [] } = record;
    call.state = 'settling'; // the first valid result of any attempt wins, and no timer changes that
    const reviewed = reviewedOf(call, answer);
    const facts = {
      reviewed,
      digest: reviewDigest(reviewed, asks, []),
      bornMs: record.expires === undefined ? record.at : record.expires - (record.lifeMs ?? limits.lifeMs),
      deadlineMs: record.deadline + limits.deadlineGraceMs,
      traceparent: record.trace,
    };
    void gather(asks, (ask) => this.#reviewer.ask({ ask, ...facts }))
      .catch((err: unknown): Review[] => {
        this.#core.log.warn({ ...idsOf(record), err: String(err) }, 'an answer could not be reviewed');
        return [];
      })
      .then((reviews) => this.#settle(call, answer, reviews));
  }

  #settle(call: OpenCall, { body, used, more }: Answer, reviews: Review[]): void {
    const { asks = [], capability, agent } = call.record;
    if (this.#core.nc.isClosed()) {
      return; // whoever adopts it asks again
    }
    call.state = 'dispatched';
    const said = (rule: string): Review | undefined => reviews.find((one) => one.rule === rule);
    const no = asks.find(({ rule }) => said(rule)?.allow === false) ?? asks.find(({ rule }) => !said(rule));
    if (no === undefined) {
      return this.#settler.complete(call, body, { ...more, reviews });
    }
    const why = noOf(capability, no, said(no.rule)).sentence;
    const error = meshError('output_withheld', { agent, rule: no.rule, why });
    this.#settler.fail(call, 'failed', error.toBody(), { ...used, reviews });
  }
}

function reviewedOf({ record, body }: OpenCall, answer: Answer): Reviewed {
  const { from, call, capability, agent, root, chain, policy = '', digest, labels, intent } = record;
  const { type = 'json', bodyRef } = answer.more;
  return {
    ...{ from, call, capability, agent, root, chain, policy, digest },
    labels,
    intent,
    args: valueOf(record.type ?? 'json', record.bodyRef, body),
    output: {
      digest: parseBodyRef(bodyRef)?.digest ?? bytesDigest(answer.body),
      value: valueOf(type, bodyRef, answer.body),
    },
  };
}

/** Undefined when it is not in hand. */
function valueOf(type: BodyType, bodyRef: string | undefined, body: Uint8Array): unknown {
  return type === 'bytes' || bodyRef !== undefined ? undefined : readBody(type, body);
}

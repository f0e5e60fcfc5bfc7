/**
 * The part of the policy's guard that asks other agents. Guards never wait: what is to be asked is said as a hold, the
 * gateway asks, and the chain is run again with the answers. They count only for exactly what would be asked now.
 */
import { JUDGED } from '../domain/approvals.js';
import { isReviewWork, reviewDigest, type Ask, type Review, type Reviewed } from '../domain/reviews.js';
import { askOf } from '../domain/rules/asks.js';
import type { Rule } from '../domain/rules/types.js';
import { callDigest } from '../wire/digest.js';
import { meshError, type MeshError } from '../wire/errors.js';
import { limits } from '../wire/limits.js';
import type { Draft, World } from './draft.js';
import { deny, type Verdict } from './verdict.js';

/** Ask as the rules say, or go by what was answered. Notes on the draft what is asked before the outcome. */
export function askReviewers(draft: Draft, world: World, rules: readonly Rule[]): Verdict {
  const [first] = rules;
  if (first === undefined) {
    return undefined;
  }
  if (isReviewWork(draft.chain)) {
    return refuse(draft, askOf(first), 'it is work on a review itself, which nobody reviews');
  }
  if (rules.length > limits.asks) {
    return refuse(draft, askOf(first), `more than ${limits.asks} rules ask about it`);
  }
  const asksBefore = (when: string): Ask[] => rules.filter(({ ask }) => ask?.before === when).map(askOf);
  const later = asksBefore('outcome');
  if (later.length > 0) {
    draft.asks = later;
    draft.parts = undefined; // a partial output would be told before anybody has looked at it
  }
  const asks = asksBefore('dispatch');
  return asks.length === 0 ? undefined : goBy(draft, world, asks);
}

function goBy(draft: Draft, world: World, asks: readonly Ask[]): Verdict {
  const { answers, headers } = draft;
  const card = world.registry.agent(draft.instance?.agent ?? ('' as never))?.digest ?? null;
  const judged = [...JUDGED.map((name) => headers.get(name) ?? null), card];
  const digest = reviewDigest(reviewedOf(draft, world.policy.digest), asks, judged);
  if (answers?.digest !== digest) {
    const [first] = asks;
    return first !== undefined && (answers?.rounds ?? 0) >= limits.askRounds
      ? refuse(draft, first, 'what was asked changed again and again')
      : { verdict: 'hold', why: 'review', asks, digest };
  }
  const { reviews } = answers;
  const no =
    asks.find((ask) => saidOf(reviews, ask)?.allow === false) ?? asks.find((ask) => !saidOf(reviews, ask));
  draft.reviews = reviews;
  return no === undefined ? undefined : refused(draft, no, saidOf(reviews, no));
}

/** The facts of the call that a reviewer is asked about. */
export function reviewedOf(draft: Draft, policy: string): Reviewed {
  return {
    from: draft.who,
    call: draft.id,
    capability: draft.what,
    agent: draft.instance?.agent ?? '',
    root: draft.root,
    chain: draft.chain,
    policy,
    digest: callDigest(draft.what, draft.body, draft.ref?.digest),
    labels: draft.labels,
    intent: draft.intent,
    args: draft.ref === undefined && draft.type !== 'bytes' ? draft.value : undefined,
  };
}

/** Why a review ends a call: the answer was no, or there is none that counts. */
export function noOf(capability: string, ask: Ask, said: Review | undefined): MeshError {
  const { rule } = ask;
  if (said?.by !== undefined && said.unanswered === undefined) {
    const reason = said.reason === undefined ? '' : `: ${said.reason}`;
    return meshError('guard_denied', { rule, by: said.by, capability, reason });
  }
  const why = said?.unanswered ?? 'nobody was asked';
  return meshError('guard_unanswered', { rule, reviewer: ask.capability, capability, why });
}

function saidOf(reviews: readonly Review[], { rule }: Ask): Review | undefined {
  return reviews.find((one) => one.rule === rule);
}

function refused(draft: Draft, ask: Ask, said: Review | undefined): Verdict {
  draft.rules = [ask.rule];
  return deny(noOf(draft.what, ask, said));
}

function refuse(draft: Draft, ask: Ask, why: string): Verdict {
  draft.rules = [ask.rule];
  return deny(
    meshError('guard_unanswered', { rule: ask.rule, reviewer: ask.capability, capability: draft.what, why }),
  );
}

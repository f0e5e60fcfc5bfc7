/**
 * What a stage proves: what its interceptor answers, and what a gateway takes from the answer. Nothing else in it
 * counts: each stage is believed only in what is its own, and what a call is about the gateway knows itself.
 */
import type { Approval } from '../domain/approvals.js';
import type { Ask } from '../domain/reviews.js';
import { fromBody } from '../wire/errors.js';
import type { StageAnswer } from '../wire/generated/messages.js';
import { limits } from '../wire/limits.js';
import { isPriority } from '../wire/priority.js';
import type { Stage } from '../wire/stages.js';
import type { Draft, World } from './draft.js';
import { approvalFor } from './guards/policy.js';
import { digestFor } from './reviews.js';
import { deny, type Verdict } from './verdict.js';

type Proven = StageAnswer['proven'];
type Knows = Pick<World, 'policy' | 'registry'>;

interface OfAuthority {
  readonly root: string;
  readonly chain: string[];
  readonly parent?: string | undefined;
  readonly context?: string | undefined;
  readonly labels?: Draft['labels'];
  readonly above?: Draft['above'];
  readonly grants?: Draft['grants'];
  readonly proof?: Draft['proof'];
  readonly byGrant?: readonly (readonly [string, boolean])[] | undefined;
  readonly deadlineMs: number;
}

interface OfPolicy {
  readonly rules?: Draft['rules'];
  readonly obligations?: Draft['obligations'];
  /** The approval of the call was needed, and fits. */
  readonly approved?: boolean;
  /** What reviewing agents answered was needed, and fits. */
  readonly reviewed?: boolean;
  /** What they will be asked before the outcome is final. */
  readonly asks?: Draft['asks'];
}

const say: Readonly<Record<Stage, (draft: Draft) => OfAuthority | OfPolicy>> = {
  authority: ({ root, chain, parent, context, labels, above, grants, proof, byGrant, deadlineMs }) => ({
    ...{ root, chain, parent, context, labels, above, grants, proof, deadlineMs },
    byGrant: byGrant === undefined ? undefined : [...byGrant],
  }),
  policy: ({ rules, obligations, approval, reviews, asks }) => ({
    ...{ rules, obligations, asks },
    ...(approval === undefined ? {} : { approved: true }),
    ...(reviews === undefined ? {} : { reviewed: true }),
  }),
};

const take: Readonly<Record<Stage, (draft: Draft, proven: never, passed: boolean) => void>> = {
  authority: takeAuthority,
  policy: takePolicy,
};

/** The answer of an interceptor whose guards have said this. `asked` is the digest of the question. */
export function answerOf(
  stage: Stage,
  draft: Draft,
  verdict: Verdict,
  { asked, policy }: Pick<StageAnswer, 'asked' | 'policy'>,
): StageAnswer {
  const { guard, guardUs } = draft;
  return {
    ...{ v: 1, asked, policy },
    verdict: verdict?.verdict ?? 'allow',
    proven: say[stage](draft) as unknown as Proven,
    ...(verdict?.verdict === 'deny'
      ? { status: verdict.status, error: { ...verdict.error.toBody() } }
      : verdict?.verdict === 'hold' && verdict.why === 'approval'
        ? { approval: verdict.approval as unknown as Proven }
        : verdict?.verdict === 'hold' && verdict.why === 'review'
          ? { asks: verdict.asks as unknown as Proven[] }
          : {}),
    ...(guard === undefined ? {} : { guard }),
    ...(guardUs === undefined ? {} : { guardUs }),
  };
}

/**
 * Take into the draft what the stage has proven, and give its verdict, as if its guards had run here. Throws when the
 * answer cannot be one of this stage about this call.
 */
export function takeAnswer(stage: Stage, draft: Draft, world: Knows, answer: StageAnswer): Verdict {
  const { verdict, guard, guardUs } = answer;
  const passed = verdict !== 'deny';
  take[stage](draft, answer.proven as never, passed);
  draft.guardUs?.push(...(guardUs ?? []));
  draft.guard = passed && verdict !== 'hold' ? draft.guard : guard;
  switch (verdict) {
    case 'allow':
      return undefined;
    case 'deny':
      return deny(fromBody(answer.error), answer.status);
    case 'hold':
      return stage === 'policy' ? held(draft, world, answer) : wrong('hold');
    default:
      return wrong('verdict'); // whatever else it says is no yes (D10)
  }
}

/** Of a held call the stage says which rules hold it, until when, whom to ask; what it is about is known here. */
function held(draft: Draft, world: Knows, { approval, asks }: StageAnswer): Verdict {
  if (Array.isArray(asks) && asks.length > 0) {
    const whom = asks as unknown as Ask[];
    return { verdict: 'hold', why: 'review', asks: whom, digest: digestFor(draft, world, whom) };
  }
  const { rules, expires } = (approval ?? {}) as Partial<Approval>;
  if (!Array.isArray(rules) || rules.length === 0 || typeof expires !== 'number') {
    return wrong('rules');
  }
  return { verdict: 'hold', why: 'approval', approval: approvalFor(draft, world, rules, expires) };
}

function takeAuthority(draft: Draft, proven: OfAuthority, passed: boolean): void {
  const { root, chain, parent, context, labels, above, grants, proof, byGrant, deadlineMs } = proven;
  if (!Array.isArray(chain) || typeof root !== 'string' || typeof deadlineMs !== 'number') {
    return wrong('root, chain or deadline');
  }
  // Whatever the stage says of those above: the last of the chain is the caller, whom the subject has named.
  if (passed && (nameOf(chain.at(-1)) !== draft.who || root === '')) {
    return wrong('chain');
  }
  if (passed && !(deadlineMs > draft.bornMs && deadlineMs <= draft.bornMs + limits.lifeMaxMs)) {
    return wrong('deadline');
  }
  if (above !== undefined && !isPriority(above)) {
    return wrong('priority');
  }
  Object.assign(draft, { root, chain, parent, context, labels, above, grants, proof, deadlineMs });
  draft.byGrant = byGrant === undefined ? undefined : new Map(byGrant);
}

function takePolicy(draft: Draft, { rules, obligations, approved, reviewed, asks }: OfPolicy): void {
  Object.assign(draft, { rules, obligations, asks });
  if (asks !== undefined) {
    draft.parts = undefined; // as the guard does: a partial output would be told before anybody has looked at it
  }
  if (reviewed === true) {
    draft.reviews = draft.answers?.reviews;
  }
  if (approved === true && draft.approved !== undefined) {
    const { by, digest, at, card } = draft.approved;
    draft.approval = { by: [...by], digest, at, card };
  }
}

/** The name in an entry of a chain: `agent/capability`, or that of the root principal alone. */
function nameOf(entry: unknown): string {
  return typeof entry === 'string' ? (entry.split('/')[0] ?? '') : '';
}

function wrong(what: string): never {
  throw new Error(`the answer of a stage has no ${what} that can be used`);
}

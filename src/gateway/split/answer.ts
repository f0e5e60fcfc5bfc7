/**
 * Answering the questions of gateways: the guards of one stage over what the gateway knows of the call. Nothing is kept,
 * and nothing is written: an interceptor that is killed loses nothing.
 */
import { stages, runGuards } from '../../chain/chain.js';
import type { World } from '../../chain/draft.js';
import { draftOfCheck, knowsTheSame } from '../../chain/known.js';
import { answerOf } from '../../chain/proven.js';
import { deny, type Verdict } from '../../chain/verdict.js';
import { asMeshError } from '../../wire/errors.js';
import type { Check, StageAnswer } from '../../wire/generated/messages.js';
import type { Stage } from '../../wire/stages.js';
import { draftOf } from '../../chain/draft.js';

/** A question as it came: the header and the body. */
export interface Asked {
  readonly check: Check;
  readonly body: Uint8Array;
  /** Digest of both. */
  readonly digest: string;
}

/** Run the guards of the stage. `behind` when this process and the gateway do not know the same. */
export function answer(stage: Stage, world: World, { check, body, digest: asked }: Asked): StageAnswer {
  const { digest: policy } = world.policy;
  if (!knowsTheSame(check, world)) {
    return { v: 1, asked, policy, verdict: 'behind', proven: {} };
  }
  let draft = draftOf({ ...check, headers: new Map(), body }, check.at);
  let verdict: Verdict;
  try {
    draft = draftOfCheck(check, body, world);
    verdict = runGuards(draft, world, stages[stage]);
  } catch (err) {
    verdict = deny(asMeshError(err, `stage ${stage}`)); // the gateway has read the call: it is not that of before
  }
  return answerOf(stage, draft, verdict, { asked, policy });
}

/**
 * The approval service: people look at held calls and vote on them. Who asks stands in the subject, which the broker
 * enforces, and no agent has the right to speak here. Any control process takes a vote; the supervisor acts on it.
 */
import type { Msg } from '../../fabric/connection.js';
import { notEntitled, tally, type NotEntitled } from '../../domain/approvals.js';
import { compileOurs } from '../../domain/validator.js';
import { openVotes } from '../../domain/vote.js';
import { meshError } from '../../wire/errors.js';
import { parse, pattern } from '../../wire/generated/subjects.js';
import type { ApprovalRequest } from '../../wire/generated/messages.js';
import { schemas } from '../../wire/generated/schemas.js';
import { decodeJson } from '../../wire/json.js';
import { asToken, type Token } from '../../wire/names.js';
import { serve, type Control } from '../core.js';
import { Gate } from '../views/bounds.js';
import { findHeld, votersOf, type Held } from './held.js';
import type { VotedPage } from './pages.js';
import { listHeld, showHeld } from './show.js';
import { castVote, readVotes } from './votes.js';

const REQUEST_BYTES = 8_192;
const fitsRequest = compileOurs(schemas.approval);

type Answer = (control: Control, who: Token, asked: ApprovalRequest) => Promise<object>;

const answers: Readonly<Record<string, Answer>> = {
  ls: (control, who, asked) => listHeld(control, who, asked),
  show: (control, who, asked) => {
    const { from, call } = needs(asked, 'from', 'call');
    return showHeld(control, who, from, call);
  },
  approve: (control, who, asked) => vote(control, who, needs(asked, 'from', 'call', 'digest'), 'approve'),
  deny: (control, who, asked) => vote(control, who, needs(asked, 'from', 'call', 'digest'), 'deny'),
};

/** Serve it. Returns how to stop. */
export function serveApprovals(control: Control): () => void {
  const gate = new Gate();
  return serve(
    control,
    pattern.approval,
    (subject) => parse.approval(subject)?.from,
    (msg, from) => {
      const what = parse.approval(msg.subject)?.what ?? '';
      const answer = Object.hasOwn(answers, what) ? answers[what] : undefined;
      if (answer === undefined) {
        throw meshError('not_found', { what: 'the command', name: what });
      }
      return gate.run(from, () => answer(control, asToken(from, 'the approver'), read(msg, what)));
    },
  );
}

type Named = ApprovalRequest & Required<Pick<ApprovalRequest, 'from' | 'call' | 'digest'>>;

/**
 * Take a vote. It counts once it is durable; what all say together is told, and the supervisor finds it out by itself.
 * Throws not_found, approval_not_entitled, approval_stale, approval_expired, approval_voted, and what storing throws.
 */
async function vote(
  control: Control,
  who: Token,
  asked: Named,
  said: 'approve' | 'deny',
): Promise<VotedPage> {
  const one = await findHeld(control, asked.from, asked.call);
  const { held, digest } = one;
  mayVote(control, who, one, asked.digest);
  const at = Date.now();
  const { from, call, reason } = asked;
  const cast = { from, call, digest, by: who, vote: said, at, ...(reason === undefined ? {} : { reason }) };
  await castVote(control, cast, held.approval.expires);
  control.log.info({ by: who, vote: said, call: `${from}.${call}`, digest }, 'an approver voted');
  const sealed = await readVotes(control, { from, call, digest });
  const verdict = tally(held, openVotes(control.ring, [...sealed.values()].flat()), votersOf(control));
  return { state: verdict.state, digest, missing: verdict.state === 'waits' ? verdict.missing : [] };
}

const WHY: Readonly<Record<NotEntitled, string>> = {
  role: 'none of the rules that hold it names a role of theirs',
  requester: 'they made the call',
  chain: 'the call is made on their behalf',
  agent: 'they would do it',
  machine: 'an agent cannot approve',
};

function mayVote(control: Control, who: Token, { held, digest, record }: Held, shown: string): void {
  const name = `${held.from}.${held.call}`;
  const why = notEntitled(who, held, votersOf(control));
  if (why !== undefined) {
    throw meshError('approval_not_entitled', { who, name, why: WHY[why] });
  }
  if (Date.now() >= Math.min(held.approval.expires, record.deadline)) {
    throw meshError('approval_expired', { rules: held.approval.rules.map(({ rule }) => rule) });
  }
  if (shown !== digest) {
    throw meshError('approval_stale', { name, why: 'what was shown is not what waits' });
  }
}

/** Throws schema_violation, body_*. */
function read(msg: Msg, what: string): ApprovalRequest {
  const value = decodeJson(msg.data, REQUEST_BYTES) ?? {};
  const errors = fitsRequest(value);
  if (errors !== undefined) {
    throw meshError('schema_violation', { capability: `approval.${what}`, errors });
  }
  return value as ApprovalRequest;
}

function needs<K extends keyof ApprovalRequest>(
  asked: ApprovalRequest,
  ...keys: K[]
): ApprovalRequest & Required<Pick<ApprovalRequest, K>> {
  const missing = keys.filter((key) => asked[key] === undefined);
  if (missing.length > 0) {
    const errors = missing.map((key) => `/: must have ${key}`);
    throw meshError('schema_violation', { capability: 'approval', errors });
  }
  return asked as ApprovalRequest & Required<Pick<ApprovalRequest, K>>;
}

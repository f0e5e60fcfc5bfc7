/**
 * One call of a tree, put together from everything that was found of it.
 */
import type { DecisionRecord, ErrorBody, OutcomeRecord } from '../../wire/generated/messages.js';
import { traceOf } from '../../wire/trace.js';
import type { AttemptRow } from './attempt.js';
import type { CallNode, OutcomeRow } from './pages.js';
import { bornAt, stateOf, type Decided } from './records.js';
import type { WaitingCall } from './waiting.js';

/** What was found of a call. */
export interface Found {
  readonly key: string;
  /** In the order of the stream. */
  readonly decisions: Decided[];
  readonly waiting: WaitingCall | undefined;
  outcome?: OutcomeRecord | undefined;
  error?: ErrorBody | undefined;
  /** When the outcome was stored. */
  outcomeStoredAt?: number | undefined;
}

/** The call as it is shown, or undefined when nothing is known of it (any more). */
export function nodeOf(found: Found, asked: boolean): CallNode | undefined {
  const { decisions, waiting, outcome, error } = found;
  const first = decisions[0]?.record;
  const last = decisions.at(-1)?.record;
  const one = last ?? outcome ?? waiting;
  if (one === undefined) {
    return undefined;
  }
  const now = Date.now();
  const status = last === undefined ? (outcome?.status ?? waiting?.status) : stateOf(last, outcome, now);
  const refusal = outcome === undefined ? refusalOf(last) : undefined;
  const shown = outcome === undefined ? refusal : outcomeRow(outcome, error, found.outcomeStoredAt);
  const parent = last?.parent ?? waiting?.parent;
  const deadline = last?.deadline ?? waiting?.deadline;
  return {
    from: one.from,
    call: one.call,
    capability: one.capability,
    status: status ?? 'running',
    ...(asked ? { asked } : {}),
    ...(parent === undefined ? {} : { parent }),
    ...(deadline === undefined ? {} : { deadline }),
    attempts: decisions.filter(({ record }) => record.verdict === 'allow').map(attemptRow),
    ...times(one.call, first?.at, {
      stillWaits: last === undefined && outcome === undefined,
      endedAt: shown?.at ?? (status === 'running' ? now : undefined),
    }),
    ...(shown === undefined ? {} : { outcome: shown }),
    ...(last !== undefined || outcome !== undefined || waiting === undefined ? {} : waitOf(waiting)),
    ...(last === undefined ? {} : wireFields(last)),
    ...reviewsOf(last, outcome),
    ...(first === undefined ? {} : sightFields(first)),
  };
}

/** What reviewing agents said, before it was decided and before its outcome was final. */
function reviewsOf(last: DecisionRecord | undefined, outcome: OutcomeRecord | undefined): Partial<CallNode> {
  const reviews = [...(last?.reviews ?? []), ...(outcome?.reviews ?? [])];
  return reviews.length === 0 ? {} : { reviews };
}

function waitOf({ why, since }: WaitingCall): Pick<CallNode, 'why' | 'since'> {
  return { why, since };
}

/** Before the outcome is stored, a refusal is known from its decision. */
function refusalOf(record: DecisionRecord | undefined): OutcomeRow | undefined {
  if (record === undefined || record.verdict === 'allow') {
    return undefined;
  }
  const { status = 'refused', error, at } = record;
  return {
    status,
    attempt: 0,
    at,
    ...(error === undefined ? {} : { code: error.code, error: error as ErrorBody }),
  };
}

function outcomeRow(
  outcome: OutcomeRecord,
  error: ErrorBody | undefined,
  storedAt: number | undefined,
): OutcomeRow {
  const { status, code, agent, instance, attempt, at, reported, measured, bounded } = outcome;
  return {
    status,
    ...(code === undefined ? {} : { code }),
    ...(agent === undefined || agent === 'none' ? {} : { agent }),
    ...(instance === undefined ? {} : { instance }),
    attempt,
    at,
    ...(storedAt === undefined ? {} : { storedAt }),
    ...(reported === undefined ? {} : { reported }),
    ...(measured === undefined ? {} : { measured }),
    ...(bounded === undefined ? {} : { bounded }),
    ...(error === undefined ? {} : { error }),
  };
}

function attemptRow({ seq, record, storedAt }: Decided): AttemptRow {
  const { attempt, gateway, agent, instance, at, routed } = record;
  return {
    attempt,
    seq,
    gateway,
    agent,
    ...(instance === undefined ? {} : { instance }),
    at,
    ...(storedAt === undefined ? {} : { storedAt }),
    ...(routed === undefined ? {} : { routed }),
  };
}

/** How long it waited and took. The birth is by the caller's clock, the rest by the gateways'. */
function times(
  call: string,
  decidedAt: number | undefined,
  { stillWaits, endedAt }: { readonly stillWaits: boolean; readonly endedAt: number | undefined },
): Pick<CallNode, 'bornAt' | 'waitedMs' | 'tookMs'> {
  const born = bornAt(call);
  const since = (from: number | undefined, to: number | undefined) =>
    from === undefined || to === undefined ? undefined : Math.max(0, to - from);
  const waitedMs = since(born, stillWaits ? Date.now() : decidedAt);
  const tookMs = since(decidedAt, endedAt);
  return {
    ...(born === undefined ? {} : { bornAt: born }),
    ...(waitedMs === undefined ? {} : { waitedMs }),
    ...(tookMs === undefined ? {} : { tookMs }),
  };
}

/** What the first decision says of its trace and its guards. */
function sightFields(record: DecisionRecord): Partial<CallNode> {
  const { guard, guardUs } = record;
  const trace = traceOf(record);
  return {
    ...(trace === undefined ? {} : { trace }),
    ...(record.trace?.endsWith('1') === true ? { sampled: true as const } : {}),
    ...(guard === undefined ? {} : { guard }),
    ...(guardUs === undefined ? {} : { guardUs }),
  };
}

function wireFields(record: DecisionRecord): Partial<CallNode> {
  const { child, idempotent, labels, context, intent, replays, by, approval: yes, review } = record;
  return {
    ...(child === undefined ? {} : { child }),
    ...(idempotent === undefined ? {} : { idempotent }),
    ...(labels === undefined ? {} : { labels }),
    ...(context === undefined ? {} : { context }),
    ...(intent === undefined ? {} : { intent }),
    ...(replays === undefined ? {} : { replays }),
    ...(by === undefined ? {} : { by }),
    ...(yes === undefined ? {} : { approval: { by: yes.by, digest: yes.digest, at: yes.at } }),
    ...(review === undefined ? {} : { review: { of: review.of, rule: review.rule } }),
  };
}

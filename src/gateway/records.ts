/**
 * The records a gateway writes, and reading them back.
 */
import { randomBytes } from 'node:crypto';
import type { Used } from '../wire/usage.js';
import type { AdmittedCall } from '../chain/verdict.js';
import type { CarriedGrant } from '../domain/grants/book.js';
import type { Draft } from '../chain/draft.js';
import type { DecisionRecord, ErrorBody, OutcomeRecord } from '../wire/generated/messages.js';
import { parseBodyRef } from '../domain/body-ref.js';
import { callDigest } from '../wire/digest.js';
import type { HeaderBlock } from '../wire/headers.js';
import { header } from '../wire/headers.js';
import type { MeshError } from '../wire/errors.js';
import { limits } from '../wire/limits.js';
import type { Core } from './core.js';
import { decisionOf, type OpenCall } from './open.js';

const process = randomBytes(6).toString('hex');
let count = 0;

/** Tells apart two publishes, also of two processes. */
export function nonce(): string {
  return process + (count++).toString(36);
}

/** The record of an admitted call: verdict, reservation and ticket in one. */
export function allowRecord(core: Core, call: AdmittedCall, reply: string | undefined): DecisionRecord {
  const offer = call.entry.offers.get(call.instance.agent);
  const record: DecisionRecord = {
    v: 1,
    verdict: 'allow',
    gateway: core.name,
    nonce: nonce(),
    kid: core.ring.current,
    from: call.who,
    call: call.id,
    capability: call.what,
    major: call.entry.major,
    attempt: 1,
    dispatches: 1,
    agent: call.instance.agent,
    instance: call.instance.id,
    deadline: call.deadlineMs,
    expires: call.expiresMs,
    lifeMs: call.entry.lifeMs,
    root: call.root,
    chain: [...call.chain, `${call.instance.agent}/${call.what}`],
    digest: call.digest ?? callDigest(call.what, call.body, call.ref?.digest),
    policy: core.policy.digest,
    idempotent: call.entry.idempotent,
    attemptMs: offer?.attemptMs ?? limits.attemptMs,
    at: Date.now(),
  };
  if (call.parent !== undefined) {
    record.parent = call.parent;
  }
  if (reply !== undefined) {
    record.reply = reply;
  }
  core.sight.trace(record, call);
  return withWireFields(record, call);
}

/** Fields that wire v1 carries along for later readers. */
function withWireFields(record: DecisionRecord, d: Draft): DecisionRecord {
  if (d.replay !== undefined) {
    record.replays = d.replay.of;
    record.by = d.replay.by;
    record.key = d.replay.key;
  }
  if (d.insteadOf !== undefined) {
    record.insteadOf = d.insteadOf;
  }
  if (d.child !== undefined) {
    record.child = d.child;
  }
  if (d.context !== undefined) {
    record.context = d.context;
  }
  if (d.labels !== undefined) {
    record.labels = d.labels;
  }
  if (d.priority !== 'normal') {
    record.priority = d.priority;
  }
  if (d.intent !== undefined) {
    record.intent = d.intent;
  }
  if (d.bodyRef !== undefined) {
    record.bodyRef = d.bodyRef;
  }
  if (d.type !== 'json') {
    record.type = d.type;
  }
  if (d.routed !== undefined) {
    record.routed = d.routed;
  }
  if (d.parts !== undefined) {
    record.parts = d.parts;
  }
  withGrants(record, d);
  if (d.rules !== undefined) {
    record.rules = d.rules;
  }
  if (d.obligations !== undefined) {
    record.obligations = d.obligations;
  }
  if (d.approval !== undefined) {
    record.approval = d.approval;
  }
  if (d.asks !== undefined) {
    record.asks = d.asks;
  }
  withReviews(record, d);
  return record;
}

/** What reviewing agents said of it; or what it is a review of. */
function withReviews(record: DecisionRecord, { reviews, review }: Draft): void {
  if (reviews !== undefined) {
    record.reviews = [...reviews];
  }
  if (review !== undefined) {
    record.review = review;
    record.parent = review.of;
  }
}

/** The grants in force, and where the one comes from that the call itself presented. */
function withGrants(record: DecisionRecord, { grants, proof }: Draft): void {
  if (grants !== undefined) {
    record.grants = grants as CarriedGrant[];
  }
  if (proof !== undefined) {
    record.proof = proof;
  }
}

/** Digest of the body that a message refers to, as it says itself; undefined when the body is in the message. */
export function refDigest(headers: Pick<HeaderBlock, 'get'>): string | undefined {
  return parseBodyRef(headers.get(header.bodyRef))?.digest;
}

/** When to try again, where the error of a refusal says so. */
export function waitOf({ details }: ErrorBody): Pick<OutcomeRecord, 'retryAfterMs'> {
  const retryAfterMs = details?.['retry_after_ms'];
  return typeof retryAfterMs === 'number' ? { retryAfterMs } : {};
}

/** A status that is decided without any dispatch. */
export type UndispatchedStatus = 'refused' | 'expired' | 'cancelled' | 'failed' | 'unknown';

/** The record of a call that is not dispatched: it claims the same slot as an admission would. */
export function refuseRecord(
  core: Core,
  draft: Draft,
  id: string,
  status: UndispatchedStatus,
  error: MeshError,
  reply: string | undefined,
): DecisionRecord {
  const lifeMs = draft.entry?.lifeMs ?? limits.lifeMs;
  const record: DecisionRecord = {
    v: 1,
    verdict: 'refuse',
    status,
    gateway: core.name,
    nonce: nonce(),
    from: draft.from,
    call: id,
    capability: draft.capability.slice(0, 520),
    attempt: 1,
    dispatches: 0,
    agent: 'none',
    deadline: draft.deadlineMs,
    expires: (draft.bornMs === 0 ? draft.nowMs : draft.bornMs) + lifeMs,
    lifeMs,
    root: draft.root === '' ? `${draft.from}.${id}` : draft.root,
    chain: draft.chain.length === 0 ? [draft.from] : draft.chain,
    digest: callDigest(draft.capability, draft.body, draft.ref?.digest ?? refDigest(draft.headers)),
    policy: core.policy.digest,
    error: error.toBody(),
    at: Date.now(),
  };
  if (draft.parent !== undefined) {
    record.parent = draft.parent;
  }
  if (draft.replay !== undefined) {
    record.replays = draft.replay.of;
    record.by = draft.replay.by;
  }
  if (reply !== undefined) {
    record.reply = reply;
  }
  withGrants(record, draft);
  withReviews(record, draft);
  if (draft.guard !== undefined && status !== 'cancelled') {
    record.guard = draft.guard;
  }
  if (draft.rules !== undefined) {
    record.rules = draft.rules;
  }
  core.sight.trace(record, draft);
  return record;
}

/** The record of an outcome. */
export function outcomeRecord(
  call: OpenCall,
  status: OutcomeRecord['status'],
  more: Pick<OutcomeRecord, 'code' | 'type' | 'bodyRef' | 'parts' | 'reviews' | 'retryAfterMs'> & Used = {},
): OutcomeRecord {
  const r = call.record;
  const by = decisionOf(call, call.answeredSeq);
  const record: OutcomeRecord = {
    v: 1,
    status,
    from: r.from,
    call: r.call,
    capability: r.capability,
    agent: by.agent,
    attempt: r.dispatches === 0 ? 0 : by.attempt,
    seq: by === r ? call.seq : (call.answeredSeq ?? call.seq),
    digest: r.digest,
    root: r.root,
    nonce: nonce(),
    at: Date.now(),
    ...more,
  };
  if (by.instance !== undefined) {
    record.instance = by.instance;
  }
  if (r.grants !== undefined) {
    record.grants = r.grants.map(({ ids }) => ids.join('~'));
  }
  if (r.trace !== undefined) {
    record.trace = r.trace.slice(3, 35);
  }
  return record;
}

/** Read the decision record of a stored message. Only gateways can write there, so it is trusted. */
export function readDecision(headers: HeaderBlock): DecisionRecord | undefined {
  const text = headers.get(header.record);
  return text === undefined ? undefined : (JSON.parse(text) as DecisionRecord);
}

/** Read the outcome record of a stored or republished message. */
export function readOutcome(headers: HeaderBlock): OutcomeRecord | undefined {
  const text = headers.get(header.outcome);
  return text === undefined ? undefined : (JSON.parse(text) as OutcomeRecord);
}

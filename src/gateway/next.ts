/**
 * The next attempt of a call: who gets it, and what its decision says.
 */
import { behindOf, lookWith } from '../chain/breaking.js';
import { inService } from '../chain/quarantine.js';
import type { Entry } from '../domain/registry.js';
import type { Instance } from '../domain/roster.js';
import type { Chosen } from '../domain/routing/chosen.js';
import { readWish } from '../domain/routing/wish.js';
import { takerOf } from '../domain/takes.js';
import type { DecisionRecord } from '../wire/generated/messages.js';
import type { Token } from '../wire/names.js';
import type { Core } from './core.js';
import { nonce } from './records.js';

/** Who may get the next attempt of a call, beside being free. */
export interface NextFor {
  /** Taken only when nobody else is free. */
  readonly avoid: Instance | undefined;
  /** May its agent be given one more by its limits? */
  readonly room: ((one: Instance) => boolean) | undefined;
}

/** A free instance for a further attempt; undefined when there is none, or none that may have it. */
export function chooseNext(
  core: Core,
  entry: Entry,
  record: DecisionRecord,
  nowMs: number,
  { avoid, room }: NextFor,
): Chosen | undefined {
  const { type, bodyRef, agent, approval, reviews, review, routed, labels } = record;
  const body = takerOf(entry, { type: type ?? 'json', byRef: bodyRef !== undefined });
  const takes = inService(core.budget.orders, nowMs, body);
  if (approval !== undefined && core.registry.agent(agent as Token)?.digest !== approval.card) {
    return undefined; // it is not the agent any more that was approved
  }
  // Rules that ask who does it were judged for this agent, an approval and a review are for it, and a review is given
  // to one without a part in it: then only another instance of it may go on.
  const named = approval ?? reviews ?? review;
  const judged = named !== undefined || core.policy.rules?.of(entry.name).asksAgent === true;
  const may = judged ? (one: Instance) => one.agent === agent && (takes?.(one) ?? true) : takes;
  const suits = room === undefined ? may : (one: Instance) => (may?.(one) ?? true) && room(one);
  const look = lookWith(core.breakers, entry.name, behindOf(record.from, record.root), suits);
  const wish = readWish(routed?.asked, routed?.difficulty);
  return core.router.route(entry, nowMs, { avoid, suits: look?.suits ?? suits, wish, labels });
}

/** The record of a further attempt at this instance. */
export function nextRecord(core: Core, last: DecisionRecord, { instance, routed }: Chosen): DecisionRecord {
  const { routed: _before, ...record } = last;
  return {
    ...record,
    ...(routed === undefined ? {} : { routed }),
    gateway: core.name,
    nonce: nonce(),
    kid: core.ring.current,
    attempt: record.attempt + 1,
    dispatches: (record.dispatches ?? 0) + 1,
    agent: instance.agent,
    instance: instance.id,
    chain: [...record.chain.slice(0, -1), `${instance.agent}/${record.capability}`],
    at: Date.now(),
  };
}

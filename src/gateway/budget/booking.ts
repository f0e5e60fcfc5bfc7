/**
 * Money of a call: what its decisions reserve, what its outcome charges, and what each decision bears of that. The
 * decision is the reservation, the outcome is the settlement; what is done here only keeps the purse in step with them.
 */
import { addCapped, larger, ZERO, type Amounts } from '../../domain/budget/amounts.js';
import type { BudgetFacts, BudgetNode, Charged, KnownBy } from '../../domain/budget/plan.js';
import { afterOf, portionOf, type OutcomeCharge } from '../../domain/budget/portions.js';
import type { AdmittedCall } from '../../chain/verdict.js';
import type { Offer } from '../../domain/card.js';
import type { Instance } from '../../domain/roster.js';
import type { DecisionRecord, OutcomeRecord } from '../../wire/generated/messages.js';
import type { Capability, Token } from '../../wire/names.js';
import type { Usage } from '../../wire/usage.js';
import type { Core } from '../core.js';
import type { Booked } from './booked.js';
import type { OpenCall } from '../open.js';

type Budget = NonNullable<DecisionRecord['budget']>;

const NONE: Charged = { amounts: ZERO, by: 'measured' };

/** Reserve for the first decision of a call, and say so in its record. False: it does not fit any more. */
export function book(
  core: Core,
  { budget }: AdmittedCall,
  record: DecisionRecord,
): Booked | undefined | false {
  if (budget === undefined) {
    return undefined;
  }
  const { nodes, reserve, allowed, envelopes, own } = budget;
  const reservation = core.budget.reserve(nodes, reserve);
  if (reservation === undefined) {
    return false;
  }
  record.budget = {
    purse: reservation.purse,
    nodes: nodes.map(({ key }) => key),
    reserve,
    ...(allowed === undefined ? {} : { allowed }),
    ...(envelopes === undefined ? {} : { envelopes: [...envelopes] }),
    ...(own === undefined ? {} : { own }),
  };
  return { seq: 0, budget: record.budget, reservation };
}

/**
 * Reserve for a further decision. An attempt that surely never ran hands on what it reserved; of any other one the
 * reservation stays, and this one comes beside it. Why not, when it does not fit.
 */
export function bookAgain(
  core: Core,
  call: OpenCall,
  record: DecisionRecord,
  { agent }: Instance,
): Booked | undefined | 'draw' | 'never' {
  const { budget: last } = call.record;
  const plan = core.policy.budgets;
  if (last === undefined || plan === undefined) {
    return undefined;
  }
  const facts = factsOf(core, record, agent, last);
  const reserve = larger(last.reserve, plan.reserveOf(facts, core.budget.set));
  const after = afterOf(call.seq, last, !call.undispatched);
  const nodes = [...plan.nodesOf(facts, Date.now(), core.budget.set), ...ownNode(last, after.before)];
  const keys = nodes.map(({ key }) => key);
  const before = call.booked.at(-1);
  const reservation =
    call.undispatched && before !== undefined && handsOn(core, before, keys, reserve)
      ? before.reservation
      : core.budget.reserve(nodes, reserve);
  if (reservation === undefined) {
    const lack = core.budget.lack(nodes, reserve);
    core.budget.want(nodes, reserve);
    return lack?.why === 'dry' || lack?.why === 'closed' ? 'never' : 'draw';
  }
  const { before: _, earlier: __, ...rest } = last;
  record.budget = { ...rest, purse: reservation.purse, nodes: keys, reserve, ...mutable(after) };
  return { seq: 0, budget: record.budget, reservation };
}

/** A further attempt is paid from the envelope that the call opened: what was taken of it at first is used up. */
function ownNode({ own }: Budget, before: Amounts | undefined): BudgetNode[] {
  return own === undefined || before === undefined
    ? []
    : [{ ...own, standing: own.key, thresholds: { halt: 100 } }];
}

function handsOn(
  core: Core,
  { budget, reservation }: Booked,
  keys: readonly string[],
  reserve: Amounts,
): boolean {
  return (
    reservation.open &&
    core.budget.holds(reservation) &&
    JSON.stringify([budget.nodes, budget.reserve]) === JSON.stringify([keys, reserve])
  );
}

function mutable({ before, earlier }: ReturnType<typeof afterOf>): Pick<Budget, 'before' | 'earlier'> {
  return {
    ...(before === undefined ? {} : { before }),
    ...(earlier === undefined ? {} : { earlier: [...earlier] }),
  };
}

function factsOf(core: Core, record: DecisionRecord, agent: string, budget: Budget): BudgetFacts {
  return {
    from: record.from,
    call: record.call,
    agent,
    principal: record.chain[0] ?? record.from,
    capability: record.capability,
    root: record.parent === undefined,
    costMicros: offerOf(core, record, agent)?.costMicros ?? 0,
    expiresMs: record.expires ?? record.deadline,
    allowed: budget.allowed,
    envelopes: budget.envelopes,
  };
}

function offerOf(
  { registry }: Core,
  { capability, major }: DecisionRecord,
  agent: string,
): Offer | undefined {
  return registry.find(capability as Capability, major)?.offers.get(agent as Token);
}

/** The decision is durable: what it reserves is its own now. */
export function bookedAt(core: Core, call: OpenCall, booked: Booked | undefined, seq: number): void {
  if (booked === undefined) {
    return;
  }
  booked.seq = seq;
  const last = call.booked.at(-1);
  if (call.undispatched && last !== undefined) {
    call.booked.pop();
    if (last.reservation !== booked.reservation) {
      core.budget.settle(last.reservation, { charged: ZERO, debt: ZERO }); // it surely never ran, and is replaced
    }
  }
  core.budget.stored(booked.reservation, seq);
  call.booked.push(booked);
  call.undispatched = true;
}

/** The decision is not durable. `sure`: certainly. What was handed on to it stays where it was. */
export function unbook(
  core: Core,
  call: OpenCall | undefined,
  booked: Booked | undefined,
  sure: boolean,
): void {
  if (booked !== undefined && (!sure || call?.booked.at(-1)?.reservation !== booked.reservation)) {
    core.budget.lost(booked.reservation, sure);
  }
}

/** The agent may be given the task: what its decision reserved is there. */
export function isBooked(core: Core, call: OpenCall): boolean {
  const booked = call.booked.at(-1);
  return booked === undefined || booked.seq !== call.seq || core.budget.holds(booked.reservation);
}

/** Write into the outcome what the call is charged. */
export function charge(core: Core, call: OpenCall, outcome: OutcomeRecord): void {
  const { budget } = call.record;
  if (budget === undefined) {
    return;
  }
  const { amounts, by } = chargedFor(core, call, outcome, budget);
  const before = budget.before ?? ZERO;
  outcome.charged = { amounts: addCapped(before, amounts), by, seqs: [...(budget.earlier ?? []), call.seq] };
}

/** Of its newest decision: nothing if it surely never ran, what was used if that is known, else all it reserved. */
function chargedFor(core: Core, call: OpenCall, outcome: OutcomeRecord, { reserve }: Budget): Charged {
  const { record, answeredSeq = call.seq } = call;
  if (call.undispatched || (record.dispatches ?? 0) === 0) {
    return NONE;
  }
  const answered =
    outcome.status === 'completed' || outcome.status === 'failed' || usageOf(outcome) !== undefined;
  const plan = core.policy.budgets;
  if (!answered || answeredSeq !== call.seq || plan === undefined) {
    return { amounts: reserve, by: 'reserved' };
  }
  const { agent, capability } = record;
  const { costMicros = 0, attributes = {} } = offerOf(core, record, agent) ?? {};
  const { model } = attributes;
  const facts = { capability, reserve, costMicros, ...(typeof model === 'string' ? { model } : {}) };
  const workMs = call.dispatchedMs > 0 ? performance.now() - call.dispatchedMs : undefined;
  const { usage, known } = usageOf(outcome) ?? { usage: undefined, known: 'reported' };
  return plan.chargeOf(facts, usage, workMs, known);
}

/** What its agent says that it used, and how that is known. */
function usageOf({ measured, bounded, reported }: OutcomeRecord):
  | {
      readonly usage: Usage;
      readonly known: KnownBy;
    }
  | undefined {
  if (measured !== undefined) {
    return { usage: measured, known: 'measured' };
  }
  if (bounded !== undefined) {
    return { usage: bounded, known: 'bounded' };
  }
  return reported === undefined ? undefined : { usage: reported, known: 'reported' };
}

/** The outcome that stands in the register is this one, whoever wrote it: the purse is told. */
export function settleBooked(core: Core, call: OpenCall, charged: OutcomeCharge | undefined): void {
  for (const { seq, budget, reservation } of call.booked) {
    core.budget.settle(reservation, portionOf(seq, budget, charged));
  }
}

/** Somebody else goes on with the call. */
export function letGo(core: Core, call: OpenCall): void {
  for (const { reservation } of call.booked) {
    core.budget.adrift(reservation);
  }
}

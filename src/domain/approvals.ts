/**
 * Approvals: what exactly people are asked to say yes to, who of them may, and what their votes say together.
 *
 * One digest names everything that an approver is shown: the call with its arguments, the agent that would do it with
 * its card, the policy and the rules that hold it, and until when. A vote is for that digest and for nothing else.
 */
import { hash } from 'node:crypto';
import type { ParkedRecord } from '../wire/generated/messages.js';
import { header } from '../wire/headers.js';
import type { Vote } from './vote.js';

/** What a rule holds, as the parked record says it. */
export type Approval = NonNullable<ParkedRecord['approval']>;

/** A held call. `header` reads a header of the call. */
export interface HeldCall {
  readonly from: string;
  readonly call: string;
  readonly capability: string;
  readonly approval: Approval;
  readonly header: (name: string) => string | undefined;
}

/** What the mesh knows of people and agents now. */
export interface Voters {
  rolesOf(member: string): readonly string[];
  /** Does it serve anything here? Then it is a machine. */
  isAgent(member: string): boolean;
}

/** Why somebody may not vote. */
export type NotEntitled = 'role' | 'requester' | 'chain' | 'agent' | 'machine';

/** What the votes say together. */
export type Tally =
  | { readonly state: 'approved'; readonly by: readonly string[] }
  | { readonly state: 'denied'; readonly by: string; readonly reason?: string }
  | { readonly state: 'waits'; readonly missing: readonly Missing[] };

/** A rule that has not enough approvals yet. */
export interface Missing {
  readonly rule: string;
  readonly approvers: readonly string[];
  readonly have: number;
  readonly need: number;
}

/** What a guard may read, beside the body: it stands in the digest because a rule may have been judged by it. */
export const JUDGED = [
  header.major,
  header.labels,
  header.intent,
  header.budget,
  header.context,
  header.contentType,
  header.ticket,
  header.grant,
] as const;

/** The call of a parked record; undefined when it waits for something else. */
export function heldCall(record: ParkedRecord): HeldCall | undefined {
  const { from, call, capability, approval, headers } = record;
  return approval === undefined
    ? undefined
    : { from, call, capability, approval, header: (name) => headers[name] };
}

/** The digest of everything that is approved: SHA-256 in hex, so that it may stand in a subject. */
export function approvalDigest({ from, call, capability, approval, header: read }: HeldCall): string {
  const { policy, rules, expires, digest, agent, card, root, chain } = approval;
  const held = rules.map(({ rule, approvers, count }) => [rule, approvers, count]);
  const facts = [from, call, capability, JUDGED.map((name) => read(name) ?? null)];
  const judged = [digest, agent, card, root, chain, policy, held, expires];
  return hash('sha256', JSON.stringify(['capmesh approval 1', ...facts, ...judged]), 'hex');
}

/**
 * Why `who` may not vote on the call, or nothing. Nobody decides about a call that they asked for, that was made on
 * their behalf or in whose chain they stand, nor about one that they would do; and no agent decides about any.
 */
export function notEntitled(
  who: string,
  { from, approval }: HeldCall,
  voters: Voters,
): NotEntitled | undefined {
  if (who === from) {
    return 'requester';
  }
  if (who === approval.agent) {
    return 'agent';
  }
  if (who === rootOf(approval) || approval.chain.some((entry) => nameIn(entry) === who)) {
    return 'chain';
  }
  if (voters.isAgent(who)) {
    return 'machine';
  }
  return approval.rules.some((rule) => hasRole(who, rule.approvers, voters)) ? undefined : 'role';
}

/** Does one of the rules name a role of this member? Then it may look, if not always vote. */
export function isAsked(who: string, { approval }: HeldCall, voters: Voters): boolean {
  return approval.rules.some((rule) => hasRole(who, rule.approvers, voters));
}

/**
 * What the votes say. Those of others than the entitled, for another digest, or from after it expired do not count;
 * one approver counts once, and one denial ends it.
 */
export function tally(held: HeldCall, votes: readonly Vote[], voters: Voters): Tally {
  const digest = approvalDigest(held);
  const counted = new Map<string, Vote>();
  for (const vote of votes) {
    const same = vote.from === held.from && vote.call === held.call && vote.digest === digest;
    if (same && vote.at < held.approval.expires && notEntitled(vote.by, held, voters) === undefined) {
      if (counted.get(vote.by)?.vote !== 'deny') {
        counted.set(vote.by, vote);
      }
    }
  }
  const valid = [...counted.values()].sort((a, b) => a.at - b.at);
  const denial = valid.find(({ vote }) => vote === 'deny');
  if (denial !== undefined) {
    const { by, reason } = denial;
    return { state: 'denied', by, ...(reason === undefined ? {} : { reason }) };
  }
  const missing = held.approval.rules.flatMap(({ rule, approvers, count }) => {
    const have = valid.filter(({ by }) => hasRole(by, approvers, voters)).length;
    return have >= count ? [] : [{ rule, approvers, have, need: count }];
  });
  const empty = held.approval.rules.length === 0; // nobody was asked, so nobody can have said yes
  return missing.length === 0 && !empty
    ? { state: 'approved', by: valid.map(({ by }) => by) }
    : { state: 'waits', missing };
}

function hasRole(who: string, roles: readonly string[], voters: Voters): boolean {
  return voters.rolesOf(who).some((role) => roles.includes(role));
}

/** `agent/capability` → agent; the root principal stands there as its bare name. */
function nameIn(entry: string): string {
  const slash = entry.indexOf('/');
  return slash < 0 ? entry : entry.slice(0, slash);
}

/** `from.call` of the root → from. */
function rootOf({ root }: Approval): string {
  return root.slice(0, Math.max(0, root.indexOf('.')));
}

import { actionOf, uncoveredBy, type Covered } from '../../domain/grants/covers.js';
import { meshError } from '../../wire/errors.js';
import type { Capability } from '../../wire/names.js';
import type { Draft, World } from '../draft.js';
import { openPresented } from '../presented.js';
import { carriesGrants, putInForce } from '../in-force.js';
import type { Guard } from '../verdict.js';

/**
 * Decides whether everybody in the chain may have this done: the caller, every agent above it and the root
 * principal, each by its role or by the grant that it presented. Authority only narrows (D10), and a strong agent
 * cannot be used by a weak one.
 *
 * - Refuses with: revoked (somebody in the chain was put out), grant_* (what is wrong with the grant), grant_exceeded,
 *   not_granted (naming the first who may not).
 * - Needs: ticket, deadline.
 * - Proves: grants (those in force), byGrant; a grant with a deadline shortens deadlineMs.
 */
export const granted: Guard = {
  name: 'granted',
  check(draft, world) {
    const out = world.revoked.among(draft.chain, draft.root);
    if (out !== undefined) {
      throw meshError('revoked', { name: out });
    }
    if (draft.review !== undefined) {
      return undefined; // the rule that asks for it lets it: the caller of what is reviewed has no say in this
    }
    const opened = openPresented(draft, world);
    if (opened !== undefined || carriesGrants(draft.ticket)) {
      putInForce(draft, world, opened);
    }
    const { chain } = draft;
    judge(draft, world, draft.who, chain.length - 1);
    // The last entry is the caller, who was judged first.
    for (let at = 0; at < chain.length - 1; at++) {
      const entry = chain[at] as string;
      const slash = entry.indexOf('/');
      judge(draft, world, slash < 0 ? entry : entry.slice(0, slash), at);
    }
    return undefined;
  },
};

/** One of the chain: by its role, by a grant of its own, or by a rule, whose condition the guard `policy` judges. */
function judge(draft: Draft, world: World, who: string, at: number): void {
  if (world.policy.mayByRole(who, draft.what)) {
    return;
  }
  const own = draft.grants?.filter((grant) => grant.at === at) ?? [];
  const reasons = own.map((grant) => uncoveredBy(grant, coveredOf(draft, world)));
  const covered = reasons.includes(undefined);
  // A name may stand in the chain twice: it counts as covered where all its places are.
  (draft.byGrant ??= new Map()).set(who, covered && draft.byGrant?.get(who) !== false);
  if (covered || world.policy.mayCall(who, draft.what)) {
    return;
  }
  const [grant] = own;
  const [reason] = reasons;
  if (grant === undefined || reason === undefined || at < draft.chain.length - 1) {
    throw meshError('not_granted', { who, capability: draft.what });
  }
  const link = grant.ids.length;
  throw meshError('grant_exceeded', { id: grant.ids[link - 1], link, ...reason });
}

function coveredOf(draft: Draft, world: World): Covered {
  const entry = world.registry.find(draft.what as Capability, draft.major);
  return {
    capability: draft.what,
    action: entry === undefined ? undefined : actionOf(entry),
    value: draft.bodyRef !== undefined || draft.type === 'bytes' ? undefined : { json: draft.value },
    labels: draft.labels,
  };
}

/**
 * The chain: one list, first line first. Its order is the precedence of error codes.
 */
import { asMeshError } from '../wire/errors.js';
import type { Draft, World } from './draft.js';
import { decode } from './guards/decode.js';
import { ticket } from './guards/ticket.js';
import { deadline } from './guards/deadline.js';
import { loop } from './guards/loop.js';
import { granted } from './guards/granted.js';
import { tree } from './guards/tree.js';
import { resolve } from './guards/resolve.js';
import { schema } from './guards/schema.js';
import { route } from './guards/route.js';
import { policy } from './guards/policy.js';
import { rate } from './guards/rate.js';
import { budget } from './guards/budget.js';
import type { Stage } from '../wire/stages.js';
import { deny, type AdmittedCall, type Deny, type Guard, type Hold, type Verdict } from './verdict.js';

/** Every guard, in the order they run. */
export const guards: readonly Guard[] = [
  decode, // a call that cannot be read has no id, no name and no owner
  ticket, // whose work this is: everything below judges the chain, not the last speaker
  deadline, // work nobody waits for any more costs nothing further
  loop, // a circle is cut before it can ask for anything
  granted, // stands before anything that could tell the catalogue to a stranger
  tree, // work that goes in circles is cut before it costs anything
  resolve, // what is meant: the capability, its contract, its life
  schema, // agents get only what they declared to take
  route, // who does it; may hold for capacity
  policy, // what the rules say of all this together; may hold for approval
  rate, // its turn: what it may not have now is not a question of whether it may have it
  budget, // who pays: last, because whatever is refused reserves nothing; may hold while the ledger is asked
];

/**
 * What each stage proves, where it is judged by an interceptor of its own: neighbours of the list, so that the order
 * stays. What no stage names stays in the gateway: `decode`, because everybody who works on a call reads it for itself,
 * `tree`, which gateways count, `resolve` and `schema`, whose contract the result is held against too, `route`, which needs
 * the gateway's own view of the instances, and `budget`, which spends from the gateway's own purse.
 */
export const stages: Readonly<Record<Stage, readonly Guard[]>> = {
  authority: [ticket, deadline, loop, granted],
  policy: [policy],
};

/** What the chain says of a call. */
export type ChainVerdict = { readonly verdict: 'allow'; readonly call: AdmittedCall } | Deny | Hold;

/** Run the chain. */
export function runChain(draft: Draft, world: World, list: readonly Guard[] = guards): ChainVerdict {
  return runGuards(draft, world, list) ?? admitted(draft);
}

/** A call that passed every guard, wherever each of them ran. */
export function admitted(draft: Draft): ChainVerdict {
  return { verdict: 'allow', call: draft as AdmittedCall };
}

/** Run guards. One that throws is a no (D10): its own error, or `internal`. */
export function runGuards(draft: Draft, world: World, list: readonly Guard[]): Verdict {
  const { guardUs } = draft;
  let began = guardUs === undefined ? 0 : performance.now();
  for (const guard of list) {
    let verdict;
    try {
      verdict = guard.check(draft, world);
    } catch (err) {
      verdict = deny(asMeshError(err, `guard ${guard.name}`));
    }
    if (guardUs !== undefined) {
      const now = performance.now();
      guardUs.push((now - began) * 1000);
      began = now;
    }
    if (verdict !== undefined) {
      draft.guard = guard.name;
      return verdict;
    }
  }
  return undefined;
}

/**
 * Whether the limits of agents leave room for one more call.
 */
import type { Instance } from '../domain/roster.js';
import type { Draft, World } from './draft.js';

/** Says of an instance whether its agent may be given this call; undefined when no agent is limited. */
export function roomAt(draft: Draft, { rates, policy }: World): ((one: Instance) => boolean) | undefined {
  if (rates === undefined || !policy.traffic.limitsAgents) {
    return undefined;
  }
  const nowMs = rates.nowMs();
  return ({ agent }) => {
    const { misfit } = rates.book.lookAt(agent, draft.what, nowMs);
    if (misfit?.account?.mayBorrow(nowMs) === true) {
      (draft.lacks ??= []).push(misfit.account);
    }
    return misfit === undefined;
  };
}

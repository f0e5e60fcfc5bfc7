import { meshError } from '../../wire/errors.js';
import type { Guard } from '../verdict.js';

/**
 * Decides whether everybody in the chain may have this done: the caller, every agent above it and the root
 * principal. Authority only narrows (D10), and a strong agent cannot be used by a weak one.
 *
 * - Refuses with: not_granted (naming the first who may not).
 * - Needs: ticket.
 */
export const granted: Guard = {
  name: 'granted',
  check(draft, world) {
    if (!world.policy.mayCall(draft.who, draft.what)) {
      throw meshError('not_granted', { who: draft.who, capability: draft.what });
    }
    for (const entry of draft.chain) {
      const slash = entry.indexOf('/');
      const who = slash < 0 ? entry : entry.slice(0, slash);
      if (!world.policy.mayCall(who, draft.what)) {
        throw meshError('not_granted', { who, capability: draft.what });
      }
    }
    return undefined;
  },
};

import { priorityFor } from '../../domain/rate/priority.js';
import { meshError } from '../../wire/errors.js';
import type { Guard } from '../verdict.js';

/**
 * Decides whether the call may have the priority that it says.
 *
 * - Refuses with: priority_denied.
 * - Needs: ticket.
 * - Proves: priority.
 */
export const rate: Guard = {
  name: 'rate',
  check(draft, world) {
    const { said, above } = draft;
    const priority = priorityFor({ said, most: world.policy.traffic.priorityOf(draft.who), above });
    if (priority === undefined) {
      throw meshError('priority_denied', { from: draft.who, priority: said });
    }
    draft.priority = priority;
    return undefined;
  },
};

import { meshError } from '../../wire/errors.js';
import { callDigest } from '../../wire/digest.js';
import type { Guard } from '../verdict.js';

/**
 * Decides whether the tree of calls gets anywhere: not when the same request is made in it again and again, and not when
 * its calls go on ending without a result that is new to it.
 *
 * - Refuses with: request_repeated, no_progress.
 * - Needs: granted.
 * - Proves: digest, of child calls. A call without a ticket begins a tree, and is not judged by one.
 */
export const tree: Guard = {
  name: 'tree',
  check(draft, world) {
    const { trees } = world;
    if (draft.ticket === undefined || trees === undefined) {
      return undefined;
    }
    const { what, root } = draft;
    draft.digest = callDigest(what, draft.body, draft.ref?.digest);
    const bounds = world.policy.loops.of(what);
    const beyond = trees.beyond(root, draft.digest, bounds);
    if (beyond === 'same') {
      const times = trees.times(root, draft.digest);
      throw meshError('request_repeated', { capability: what, times, max: bounds.same, root });
    }
    if (beyond === 'idle') {
      throw meshError('no_progress', { calls: trees.idle(root), max: bounds.idle, root });
    }
    return undefined;
  },
};

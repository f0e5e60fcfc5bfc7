import { meshError } from '../../wire/errors.js';
import { limits } from '../../wire/limits.js';
import { nearNames } from '../../domain/near.js';
import type { Draft, World } from '../draft.js';
import type { Guard } from '../verdict.js';

/**
 * Decides what is meant: the capability in a major that is offered, and whether the call's life allows it.
 *
 * - Refuses with: capability_unknown (with near names the caller may call), version_unsupported, call_id_expired,
 *   deadline_too_far.
 * - Needs: granted.
 * - Proves: entry, expiresMs (birth + life L; nothing is dispatched or settled after it).
 */
export const resolve: Guard = {
  name: 'resolve',
  check(draft, world) {
    const entry = world.registry.find(draft.what, draft.major);
    if (entry === undefined || entry.offers.size === 0) {
      throw unknown(draft, world);
    }
    const ageMs = draft.nowMs - draft.bornMs;
    if (ageMs > entry.lifeMs) {
      throw meshError('call_id_expired', { ageMs, lifeMs: entry.lifeMs });
    }
    const aheadMs = draft.deadlineMs - draft.bornMs;
    if (aheadMs > entry.lifeMs) {
      if (draft.headers.get('Mesh-Deadline') !== undefined) {
        throw meshError('deadline_too_far', { aheadMs, maxMs: entry.lifeMs });
      }
      draft.deadlineMs = draft.bornMs + entry.lifeMs;
    }
    draft.entry = entry;
    draft.expiresMs = draft.bornMs + entry.lifeMs;
    return undefined;
  },
};

function unknown(draft: Draft, world: World): Error {
  const majors = world.registry.majorsOf(draft.what);
  if (draft.major !== undefined && majors.length > 0) {
    return meshError('version_unsupported', {
      capability: draft.what,
      have: majors.join(', '),
      want: draft.major,
    });
  }
  const ageMs = draft.nowMs - draft.bornMs;
  if (ageMs > limits.lifeMs) {
    return meshError('call_id_expired', { ageMs, lifeMs: limits.lifeMs });
  }
  // A name that somebody offered once is known, and is no help to whoever has just said it.
  const known = [...world.registry.search('>')].map((e) => e.name).filter((name) => name !== draft.what);
  const near = nearNames(
    draft.what,
    known.filter((n) => world.policy.mayCall(draft.who, n)),
  );
  return meshError('capability_unknown', {
    capability: draft.what,
    near: near.length === 0 ? '' : `; near are: ${near.join(', ')}`,
  });
}

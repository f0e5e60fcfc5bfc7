/**
 * The grant that a call presents.
 */
import type { OpenedGrant } from '../domain/grants/book.js';
import { header } from '../wire/headers.js';
import type { Draft, World } from './draft.js';

/** Open it, once for each call. Undefined: none is presented. Throws grant_*. */
export function openPresented(draft: Draft, world: World): OpenedGrant | undefined {
  if (draft.grant === undefined) {
    const text = draft.headers.get(header.grant);
    draft.grant = text === undefined ? undefined : world.grants.open(text, draft.who, draft.nowMs);
    draft.proof = draft.grant?.proof;
  }
  return draft.grant;
}

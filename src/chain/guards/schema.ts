import { takenInstead } from '../../domain/takes.js';
import type { Entry } from '../../domain/registry.js';
import { contentTypes } from '../../wire/content.js';
import { meshError } from '../../wire/errors.js';
import type { Draft } from '../draft.js';
import type { Guard } from '../verdict.js';

/**
 * Decides whether the body fits the contract of the capability: its kind must be one that the card names, and JSON
 * or msgpack must fit the input schema, however large. Raw bytes have no schema; only a card that says `bytes` gets
 * them.
 *
 * - Refuses with: content_type, schema_violation (at most `schemaErrors` pointers), body_missing, body_changed, body_*
 *   (of a body by reference).
 * - Needs: resolve.
 */
export const schema: Guard = {
  name: 'schema',
  check(draft) {
    const { entry } = draft;
    if (entry === undefined) {
      return undefined;
    }
    const byRef = draft.ref !== undefined;
    if (draft.type !== 'json' || byRef || entry.picky) {
      const taken = takenInstead(entry, { type: draft.type, byRef });
      if (taken !== undefined) {
        const how = byRef ? ' by reference' : '';
        throw meshError('content_type', { value: `${contentTypes[draft.type]}${how}`, taken });
      }
    }
    const errors = byRef
      ? foundErrors(draft, entry)
      : draft.type === 'bytes'
        ? undefined
        : entry.input(draft.value);
    if (errors !== undefined) {
      throw meshError('schema_violation', { capability: draft.what, errors });
    }
    return undefined;
  },
};

/** What was found of a body by reference. It is not there for a call that nobody may make: nobody looked for it. */
function foundErrors(draft: Draft, entry: Entry): readonly string[] | undefined {
  const { found, ref } = draft;
  const facts = { body: ref?.body, owner: draft.who };
  if (ref === undefined || found === undefined) {
    throw meshError('body_missing', { ...facts, why: 'nobody looked for it' });
  }
  if ('error' in found) {
    throw found.error;
  }
  if (ref.until < draft.deadlineMs) {
    throw meshError('body_missing', { ...facts, why: 'it is kept for less long than the call may take' });
  }
  if (found.contract !== entry.contract) {
    throw meshError('body_missing', { ...facts, why: 'the contract of the capability changed meanwhile' });
  }
  return found.errors;
}

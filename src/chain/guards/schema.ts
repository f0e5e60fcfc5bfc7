import { meshError } from '../../wire/errors.js';
import type { Guard } from '../verdict.js';

/**
 * Decides whether the body fits the input schema of the capability.
 *
 * - Refuses with: schema_violation (at most `schemaErrors` pointers).
 * - Needs: resolve.
 */
export const schema: Guard = {
  name: 'schema',
  check(draft) {
    const errors = draft.entry?.input(draft.value);
    if (errors !== undefined) {
      throw meshError('schema_violation', { capability: draft.what, errors });
    }
    return undefined;
  },
};

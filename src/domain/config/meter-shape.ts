/**
 * What `mesh.policy.yaml` can say of meters: agents whose usage is measured by what they stand before, and not only
 * told by themselves.
 */
import type { Field, List, Text } from './shape.js';

/** The key `meters`. `name` is that of an agent. */
export function meterField(name: Text): Field<List<Text>> {
  return {
    shape: { is: 'list', of: name },
    what: 'Agents whose usage counts as measured, for example those of mesh mount llm. That of all others counts as reported. Default: none.',
  };
}

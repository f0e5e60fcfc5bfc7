/**
 * What `mesh.policy.yaml` can say of traffic: whose calls go first, and how much of them there may be.
 */
import type { Field, Keys, List, Text } from './shape.js';

/** Who may say which priority. `role` is the name of a role. */
export function priorityShape(role: Text) {
  const roles: List<Text> = { is: 'list', of: role };
  return {
    is: 'keys',
    fields: {
      critical: field(roles, 'Roles whose members may say that a call is critical. Default: none.'),
      experimental: field(
        roles,
        'Roles whose members are experimental at most, also when they say nothing. Default: none.',
      ),
    },
  } as const satisfies Keys;
}

function field<S extends Field['shape']>(shape: S, what: string): Field<S> {
  return { shape, what };
}

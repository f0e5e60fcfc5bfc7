/**
 * What a policy says of traffic, compiled.
 */
import type { Priority } from '../../wire/priority.js';
import type { PrioritiesData } from '../policy-data.js';

/** Compiled; immutable. */
export class Traffic {
  /** Who may say more or less than normal; most may not. */
  readonly #priorities = new Map<string, Priority>();

  /** `roles`: names of the roles of each member. Who is in a role of both lists may say critical. */
  constructor(
    { critical = [], experimental = [] }: PrioritiesData = {},
    roles: ReadonlyMap<string, readonly string[]> = new Map(),
  ) {
    for (const [member, names] of roles) {
      if (names.some((role) => critical.includes(role))) {
        this.#priorities.set(member, 'critical');
      } else if (names.some((role) => experimental.includes(role))) {
        this.#priorities.set(member, 'experimental');
      }
    }
  }

  /** The highest priority that the member may say of a call. */
  priorityOf(member: string): Priority {
    return this.#priorities.get(member) ?? 'normal';
  }
}

/**
 * What a policy says of traffic, compiled.
 */
import type { Priority } from '../../wire/priority.js';
import type { PolicyData } from '../policy-data.js';
import { compileLimits, covers, type Limit, type SayWrong } from './limits.js';

/** Compiled; immutable. */
export class Traffic {
  /** How much there may be of whom. */
  readonly limits: readonly Limit[];
  /** Is anything limited by agent? */
  readonly limitsAgents: boolean;
  /** Who may say more or less than normal; most may not. */
  readonly #priorities = new Map<string, Priority>();
  readonly #queues: readonly Limit[];

  /** `roles`: names of the roles of each member. Who is in a role of both lists may say critical. */
  constructor(
    { priorities, rates }: Pick<PolicyData, 'priorities' | 'rates'> = {},
    roles: ReadonlyMap<string, readonly string[]> = new Map(),
    say: SayWrong = () => undefined,
  ) {
    this.limits = compileLimits(rates, say);
    this.limitsAgents = this.limits.some(({ each }) => each === 'agent');
    this.#queues = this.limits.filter(({ queue }) => queue !== undefined);
    const { critical = [], experimental = [] } = priorities ?? {};
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

  /** How many calls of this caller may wait for their turn in one gateway. */
  queueOf(caller: string): number {
    return this.#queues.reduce(
      (least, limit) => (covers(limit, caller, '') ? Math.min(least, limit.queue ?? Infinity) : least),
      Infinity,
    );
  }
}

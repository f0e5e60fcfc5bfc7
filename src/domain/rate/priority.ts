/**
 * Which priority a call has: what it says, within what its caller may say and what its tree has.
 */
import { isAbove, type Priority } from '../../wire/priority.js';

/** What is known of the priority of a call. */
export interface PriorityFacts {
  /** What the call itself says. */
  readonly said: Priority | undefined;
  /** The highest that its caller may say. */
  readonly most: Priority;
  /** What the call has whose task this is a part of; undefined for a root. */
  readonly above: Priority | undefined;
}

/**
 * The priority of a call, or undefined when it says one that it may not. A child has what its parent has, and may say
 * a lower one; a higher one only if its caller may say critical by itself.
 */
export function priorityFor({ said, most, above }: PriorityFacts): Priority | undefined {
  const high = above === undefined || most === 'critical' ? most : above;
  if (said !== undefined) {
    return isAbove(said, high) ? undefined : said;
  }
  const usual = above ?? 'normal';
  return isAbove(usual, high) ? high : usual;
}

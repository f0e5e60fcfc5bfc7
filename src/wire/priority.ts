/**
 * Priorities: how a call is treated when not all can be served at once. One word per call, the same on the wire and
 * in records; most have none, and are normal.
 */

/** From the first to be served to the last. `batch` is parked where the others are refused. */
export const priorityNames = ['critical', 'normal', 'experimental', 'batch'] as const;

/** A priority. */
export type Priority = (typeof priorityNames)[number];

/** Is this text one of them? */
export function isPriority(text: string): text is Priority {
  return (priorityNames as readonly string[]).includes(text);
}

/** Does the first one go before the second? */
export function isAbove(one: Priority, other: Priority): boolean {
  return priorityNames.indexOf(one) < priorityNames.indexOf(other);
}

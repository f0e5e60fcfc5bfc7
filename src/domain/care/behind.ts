/**
 * Who is behind a call, and for whom a breaker can open.
 */

/** Who made a call (`from`), and whose tree it belongs to (`principal`). */
export interface Behind {
  readonly from: string;
  readonly principal: string;
}

/** For whom a breaker opens: for all, for what one agent calls, or for the trees of one principal. */
export type ScopeKind = 'any' | 'from' | 'principal';

/** Whoever comes when there are too many to tell them apart. */
export const REST: Behind = { from: '', principal: '' };

/** Tells pairs apart. */
export function pairOf({ from, principal }: Behind): string {
  return `${from} ${principal}`;
}

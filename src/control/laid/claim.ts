/**
 * The next id of a dead call. Whoever replays it uses this id, so that two who do it at once, or one who does it again
 * after a crash, make one call: (from, id) is decided once. The id is set by the first and stands until the dead call
 * is gone, or until it is certain that nothing came and nothing can come of it.
 */
import { claim, dropClaim, endClaim, type Claim } from '../../fabric/claims.js';
import { newCallId } from '../../wire/ulid.js';
import type { Control } from '../core.js';

/** A dead call. */
export interface DeadName {
  readonly from: string;
  readonly call: string;
}

/** `from.call`. */
export function nameOf({ from, call }: DeadName): string {
  return `${from}.${call}`;
}

/** The id to replay it under: a new one, or the one that stands. */
export function claimId(control: Control, dead: DeadName): Promise<Claim> {
  return claim(control.nc, bucketKey(dead), newCallId());
}

/** This id is used up. */
export function releaseId(control: Control, dead: DeadName, id: Claim): Promise<void> {
  return endClaim(control.nc, bucketKey(dead), id);
}

/** The dead call is gone, and with it whatever id it had. */
export function forgetId(control: Control, dead: DeadName): Promise<void> {
  return dropClaim(control.nc, bucketKey(dead));
}

function bucketKey(dead: DeadName): string {
  return `replay.${nameOf(dead)}`;
}

/**
 * The grants that a call names by their digest.
 */
import { isGrantDigest } from '../domain/grants/introduced.js';
import { header } from '../wire/headers.js';
import { limits } from '../wire/limits.js';
import type { Incoming } from './draft.js';

const NONE: readonly string[] = [];
const IN_TICKET = '"introduced":[';
const DIGESTS = /"digest":"([A-Za-z0-9_-]{43})"/g;

/** Digests of the grants that the call and its ticket name. Nothing of the ticket is proven here. */
export function namedGrants(headers: Incoming['headers']): readonly string[] {
  const grant = headers.get(header.grant);
  const own = grant !== undefined && isGrantDigest(grant) ? [grant] : NONE;
  const ticket = headers.get(header.ticket);
  const at = ticket?.indexOf(IN_TICKET) ?? -1;
  if (ticket === undefined || at < 0) {
    return own;
  }
  const found = [...ticket.slice(at).matchAll(DIGESTS)].slice(0, limits.grantsCarried);
  return [...own, ...found.map(([, digest]) => digest as string)];
}

/**
 * Whether the authority of a call in flight has fallen: a grant it runs under was revoked, or somebody for whom it is
 * done was put out. And whether this gateway can tell.
 */
import type { DecisionRecord } from '../wire/generated/messages.js';
import { meshError, type MeshError } from '../wire/errors.js';
import { limits } from '../wire/limits.js';
import type { Core } from './core.js';

/** Why, or undefined. Whoever does the work stands last in the chain and is none of the callers. */
export function fallen({ grants, revoked }: Core, record: DecisionRecord): MeshError | undefined {
  if (record.grants !== undefined) {
    const error = grants.revoked(record.grants);
    if (error !== undefined) {
      return error;
    }
  }
  if (revoked.size === 0) {
    return undefined;
  }
  const name = revoked.among(record.chain.slice(0, -1), record.root, record.at);
  return name === undefined ? undefined : meshError('revoked', { name });
}

/** Is it too long ago that this process knew for certain what was revoked? */
export function isBlind({ knowsRevokedMs }: Pick<Core, 'knowsRevokedMs'>): boolean {
  return performance.now() - knowsRevokedMs() > limits.blindMs;
}

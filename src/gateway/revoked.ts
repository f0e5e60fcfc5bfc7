/**
 * What a gateway hears of grants, and what it does about calls in flight whose grant was revoked: they are stopped, and
 * none of them lives longer than a moment.
 */
import { watchGrants, type GrantChange } from '../fabric/grants.js';
import { revokedError, type GrantBook } from '../domain/grants/book.js';
import type { MeshError } from '../wire/errors.js';
import { limits } from '../wire/limits.js';
import type { Attempts } from './attempts.js';
import type { Core } from './core.js';
import type { OpenCall, OpenSet } from './open.js';
import type { Settler } from './settle.js';

const LOOK_MS = 100;

/** What it acts on. */
export interface RevokedParts {
  readonly core: Core;
  readonly open: OpenSet;
  readonly attempts: Attempts;
  readonly settler: Settler;
}

/** Keep the book up to date and stop what falls. Resolves once all that stands there is known. Returns how to stop. */
export async function followGrants(parts: RevokedParts): Promise<() => void> {
  const stopped = new Map<OpenCall, number>();
  const watch = await watchGrants(parts.core.nc, (change) => {
    note(parts.core.grants, change);
    if (change.kind === 'revoked' || change.kind === 'revoked-holder') {
      stopRevoked(parts, stopped);
    }
  });
  // Also by the clock: calls come in by adoption too.
  const timer = setInterval(() => {
    if (parts.core.grants.hasRevoked) {
      stopRevoked(parts, stopped);
      giveUp(parts, stopped, Date.now());
    }
  }, LOOK_MS);
  return () => {
    clearInterval(timer);
    watch.stop();
  };
}

function note(book: GrantBook, change: GrantChange): void {
  switch (change.kind) {
    case 'holder':
      return book.setHolder(change.name, change.publicKey);
    case 'issuer':
      return book.setIssuer(change.name, change.publicKey);
    case 'introduced':
      return book.introduced.set(change.digest, change.grant);
    case 'revoked':
      return book.revoke({ id: change.id });
    case 'revoked-holder':
      return book.revoke({ holder: change.holder, untilMs: change.untilMs });
  }
}

function stopRevoked(parts: RevokedParts, stopped: Map<OpenCall, number>): void {
  for (const call of parts.open.values()) {
    const { grants } = call.record;
    const error =
      grants === undefined || call.revoked !== undefined ? undefined : parts.core.grants.revoked(grants);
    if (error !== undefined) {
      call.revoked = error;
      stop(parts, call, error, stopped);
    }
  }
}

function stop(
  { attempts, settler }: RevokedParts,
  call: OpenCall,
  error: MeshError,
  stopped: Map<OpenCall, number>,
) {
  call.cancelled = true;
  if (call.state === 'waiting' && (call.record.dispatches ?? 0) === 0) {
    return settler.fail(call, 'refused', error.toBody());
  }
  attempts.stop(call);
  stopped.set(call, Date.now() + limits.revokedGraceMs);
}

/** Who does not say how it stopped has perhaps done it: that is `unknown`, and nobody waits for more. */
function giveUp({ settler }: RevokedParts, stopped: Map<OpenCall, number>, nowMs: number): void {
  for (const [call, until] of stopped) {
    if (call.state === 'settling') {
      stopped.delete(call);
    } else if (nowMs >= until && call.state !== 'deciding') {
      stopped.delete(call);
      const { link, id } = call.revoked?.details ?? {};
      const fate = `; ${call.record.agent} did not say how far it came`;
      settler.fail(call, 'unknown', revokedError(Number(link), String(id), fate).toBody());
    }
  }
}

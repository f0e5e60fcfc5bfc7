/**
 * What a gateway hears of authority: whose keys are whose, which grants were revoked, who was put out. All that stands
 * there is known before the first call is taken. A gateway that cannot make sure that it still knows decides nothing
 * (D10): it asks the server again and again, and lets calls wait while it is blind.
 */
import { watchGrants, type GrantChange } from '../fabric/grants.js';
import { watchRevoked } from '../fabric/identity-watch.js';
import type { GrantBook } from '../domain/grants/book.js';
import { header } from '../wire/headers.js';
import { isToken } from '../wire/names.js';
import type { Core } from './core.js';
import { RevokedCalls, type RevokedParts } from './revoked.js';
import type { Waiting, WaitingRoom } from './waiting.js';

const GIVE_UP_MS = 100;
const LOOK_MS = 500;

/** What it acts on. */
export interface AuthorityParts extends RevokedParts {
  readonly waiting: WaitingRoom;
}

/** Follow it and end what falls. Resolves once all that stands there is known. Returns how to stop. */
export async function followAuthority(parts: AuthorityParts): Promise<() => void> {
  const { core, waiting } = parts;
  const calls = new RevokedCalls(parts);
  const grants = await watchGrants(core.nc, (change) => {
    note(core.grants, change);
    if (change.kind === 'revoked' || change.kind === 'revoked-holder') {
      calls.look();
      waiting.review(restsOnOthers);
    }
  });
  const names = await watchRevoked(core.nc, (name, record) => {
    if (record === undefined) {
      return core.revoked.remove(name);
    }
    core.revoked.put(name, record.untilMs);
    if (core.revoked.has(name)) {
      leaveOut(core, name);
    }
    calls.look();
    waiting.review((w) => w.incoming.from === name || restsOnOthers(w));
  });
  core.knowsRevokedMs = () => Math.min(grants.provenMs(), names.provenMs());
  // Also by the clock: calls come in by adoption too.
  const timers = [
    setInterval(() => (core.grants.hasRevoked || core.revoked.size > 0 ? calls.look() : undefined), LOOK_MS),
    setInterval(() => calls.giveUp(Date.now()), GIVE_UP_MS),
  ];
  return () => {
    timers.forEach(clearInterval);
    grants.stop();
    names.stop();
  };
}

/** Its instances get nothing any more. */
function leaveOut({ roster }: Core, name: string): void {
  if (isToken(name)) {
    roster.of(name).forEach(({ id }) => roster.remove(name, id));
  }
}

function restsOnOthers({ incoming: { headers } }: Waiting): boolean {
  return headers.get(header.ticket) !== undefined || headers.get(header.grant) !== undefined;
}

/** Put a change into the book. */
export function note(book: GrantBook, change: GrantChange): void {
  switch (change.kind) {
    case 'holder':
      return book.setHolder(change.name, change.publicKey);
    case 'issuer':
      return book.setIssuer(change.name, change.publicKey);
    case 'introduced':
      return book.introduced.set(change.digest, change.grant);
    case 'revoked':
      return book.revoke({ id: change.id, atMs: change.atMs });
    case 'revoked-holder':
      return book.revoke({ holder: change.holder, untilMs: change.untilMs });
  }
}

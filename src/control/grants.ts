/**
 * What control does for grants: it tells gateways the public keys of members and issuers, and writes what is revoked.
 */
import { MESH_ISSUER } from '../domain/grants/issuers.js';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { asksIdentity } from '../fabric/callout-conf.js';
import { places } from '../fabric/folder.js';
import { putKeys, putRevocation, watchGrants } from '../fabric/grants.js';
import { watchNames } from '../fabric/identity-store.js';
import { readIssuer } from '../fabric/issuer.js';
import { readUsers } from '../fabric/users.js';
import { meshError } from '../wire/errors.js';
import type { Admin } from '../wire/generated/messages.js';
import { asToken } from '../wire/names.js';
import type { Control } from './core.js';

const LOOK_MS = 200;
type Kind = 'holder' | 'issuer';

/**
 * Tell the keys of the users and of the issuer of a data folder, now and whenever its files change; where identity says
 * who connects, also those of names that have joined since. Without a folder
 * (control on another machine) only what stands there counts. Who leads also removes those that are gone. Returns how
 * to stop.
 */
export async function tellKeys(control: Control, dir: string | undefined): Promise<() => void> {
  if (dir === undefined) {
    return () => undefined;
  }
  const told: Record<Kind, Map<string, string>> = { holder: new Map(), issuer: new Map() };
  const watch = await watchGrants(control.nc, (change) => {
    if (change.kind === 'holder' || change.kind === 'issuer') {
      const { kind, name, publicKey } = change;
      if (publicKey === undefined) {
        told[kind].delete(name);
      } else {
        told[kind].set(name, publicKey);
      }
    }
  });
  const joined = new Map<string, string>();
  let changes = 0;
  const names = await watchNames(control.nc, (name, key) => {
    changes++;
    if (key === undefined) {
      joined.delete(name);
    } else {
      joined.set(name, key);
    }
  });
  let seen = '';
  const look = async (): Promise<void> => {
    const now = `${stampOf(dir)} ${changes} ${String(control.leads())}`;
    if (now !== seen) {
      // A key that was enrolled later than the file says is the key of the name.
      const holders = new Map([...holdersOf(dir), ...(asksIdentity(dir) ? joined : [])]);
      await tell(control, 'holder', told.holder, holders);
      await tell(control, 'issuer', told.issuer, issuersOf(dir));
      seen = now;
    }
  };
  await look();
  let looking = false;
  const timer = setInterval(() => {
    if (control.leads() && !looking) {
      looking = true;
      const failed = (err: unknown) => control.log.warn({ err: String(err) }, 'keys could not be told');
      void look()
        .catch(failed)
        .finally(() => (looking = false));
    }
  }, LOOK_MS);
  return () => {
    clearInterval(timer);
    watch.stop();
    names.stop();
  };
}

/** Revoke a grant, a delegation, or all that a holder was given until now. Resolves when it is durable. */
export async function revoke(control: Control, admin: Admin, by: string): Promise<object> {
  const { grant, holder, why } = admin;
  if ((grant === undefined) === (holder === undefined)) {
    throw meshError('usage', { why: 'revoke takes a grant or a holder' });
  }
  const note = { at: Date.now(), by, ...(why === undefined ? {} : { why: why.slice(0, 256) }) };
  const what =
    grant === undefined ? { holder: asToken(holder, 'the holder') } : { id: asToken(grant, 'the grant') };
  await putRevocation(control.nc, what, note);
  control.log.info({ ...what, by }, 'revoked');
  return { ...what, at: note.at };
}

async function tell(
  control: Control,
  kind: Kind,
  told: ReadonlyMap<string, string>,
  keys: ReadonlyMap<string, string>,
): Promise<void> {
  const changed = [...keys].filter(([name, key]) => told.get(name) !== key);
  // A folder without users or issuer (credentials only) says nothing about who there is; nor does who does not lead.
  const missing = keys.size > 0 && control.leads() ? [...told.keys()].filter((name) => !keys.has(name)) : [];
  const gone = missing.map((name) => [name, undefined] as const);
  await putKeys(control.nc, kind, new Map<string, string | undefined>([...changed, ...gone]));
}

function holdersOf(dir: string): Map<string, string> {
  return new Map(readUsers(dir).map(({ name, publicKey }) => [name, publicKey]));
}

function issuersOf(dir: string): Map<string, string> {
  const issuer = readIssuer(dir);
  return new Map(issuer === undefined ? [] : [[MESH_ISSUER, issuer.publicKey]]);
}

function stampOf(dir: string): string {
  const of = (name: string) => {
    const found = statSync(join(dir, name), { throwIfNoEntry: false });
    return found === undefined ? '' : `${found.mtimeMs} ${found.ino} ${found.size}`;
  };
  return `${of(places.users)}/${of(places.issuer)}`;
}

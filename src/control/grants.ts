/**
 * What control does for grants: it tells gateways the public keys of members and issuers, and writes what is revoked.
 *
 * Who has which key is said by the data folder (`users.json`), or, where identity says who connects, by its register:
 * keys come and go there without a word to the folder, which then speaks only for the parts of the mesh.
 */
import { MESH_ISSUER } from '../domain/grants/issuers.js';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { asksIdentity } from '../fabric/callout-conf.js';
import { places } from '../fabric/folder.js';
import { putKeys, putRevocation, watchGrants } from '../fabric/grants.js';
import { watchNames, type RegisteredName } from '../fabric/identity-watch.js';
import { readIssuer } from '../fabric/issuer.js';
import { readUsers } from '../fabric/users.js';
import { meshError } from '../wire/errors.js';
import type { Admin } from '../wire/generated/messages.js';
import { asToken } from '../wire/names.js';
import { isSessionRole } from '../wire/session-role.js';
import type { Control } from './core.js';

const LOOK_MS = 100;
type Kind = 'holder' | 'issuer';
type Keys = ReadonlyMap<string, string>;

/** What a control process goes by. */
interface Sources {
  /** Its data folder; undefined when it has none (control on another machine). */
  readonly dir: string | undefined;
  /** What identity has registered. */
  readonly names: ReadonlyMap<string, RegisteredName>;
}

/**
 * Tell the keys of members and of the issuer of the mesh, now and whenever folder or register change: the leader does,
 * and a control that starts. Who leads also removes those that are gone. A member whose key was replaced loses what
 * it was granted until then, also in tasks that run. Returns how to stop.
 */
export async function tellKeys(control: Control, dir: string | undefined): Promise<() => void> {
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
  const names = new Map<string, RegisteredName>();
  let changes = 0;
  const register = await watchNames(control.nc, (name, record) => {
    changes++;
    if (record === undefined) {
      names.delete(name);
    } else {
      names.set(name, record);
    }
  });
  let seen = '';
  const look = async (): Promise<void> => {
    const now = `${dir === undefined ? '' : stampOf(dir)} ${changes} ${String(control.leads())}`;
    if (now !== seen) {
      await tell(control, 'holder', told.holder, holdersOf({ dir, names }, told.holder));
      await tell(control, 'issuer', told.issuer, dir === undefined ? new Map() : issuersOf(dir));
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
    register.stop();
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

async function tell(control: Control, kind: Kind, told: Keys, keys: Keys): Promise<void> {
  const changed = [...keys].filter(([name, key]) => told.get(name) !== key);
  // A folder without users or issuer (credentials only) says nothing about who there is; nor does who does not lead.
  const missing = keys.size > 0 && control.leads() ? [...told.keys()].filter((name) => !keys.has(name)) : [];
  const gone = missing.map((name) => [name, undefined] as const);
  const replaced = changed.filter(([name]) => kind === 'holder' && told.has(name));
  for (const [name] of replaced) {
    // What was made in this very second may be for the new key: grants are dated in seconds.
    const at = Math.floor(Date.now() / 1_000) * 1_000 - 1;
    await putRevocation(control.nc, { holder: name }, { at, by: 'control', why: 'it has another key' });
    control.log.info({ name }, 'another key: its grants end');
  }
  await putKeys(control.nc, kind, new Map<string, string | undefined>([...changed, ...gone]));
}

function holdersOf({ dir, names }: Sources, told: Keys): Map<string, string> {
  const keys = new Map(dir === undefined ? told : keysOf(dir));
  if (dir === undefined || asksIdentity(dir)) {
    for (const [name, { role, key }] of names) {
      if (key !== undefined) {
        keys.set(name, key);
      } else if (isSessionRole(role)) {
        keys.delete(name);
      }
    }
  }
  return keys;
}

/** What the folder says: where identity says who connects, only of the parts of the mesh. */
function keysOf(dir: string): Map<string, string> {
  const asks = asksIdentity(dir);
  const users = readUsers(dir).filter(({ role }) => !asks || !isSessionRole(role));
  return new Map(users.map(({ name, publicKey }) => [name, publicKey]));
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

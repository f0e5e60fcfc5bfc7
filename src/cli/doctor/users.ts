/**
 * What users may do: parts of the mesh ask the server, the others try what they must not. Whoever runs the doctor has
 * their keys in the data folder.
 */
import { existsSync } from 'node:fs';
import { attemptsOf } from '../../domain/weakness/attempts.js';
import type { Facts, OwnRights, Tried } from '../../domain/weakness/facts.js';
import { asksIdentity } from '../../fabric/callout-conf.js';
import { connectBroker, type NatsConnection } from '../../fabric/connection.js';
import { listeners, rightsOf, tryAll } from '../../fabric/probe.js';
import { credentialsFile, loadCredentials, readUsers, type User } from '../../fabric/users.js';
import { permissionsOf } from '../../wire/generated/permissions.js';
import { asToken } from '../../wire/names.js';
import { isSessionRole } from '../../wire/session-role.js';

/** Of each role so many are tried: all of one role are rendered alike. */
const OF_EACH_ROLE = 3;

/** Rights of the users whose keys are in the folder. Who cannot connect can do nothing, and is left out. */
export async function lookAtRights(dir: string, url: string): Promise<Facts> {
  const rights: OwnRights[] = [];
  const tried: Tried[] = [];
  for (const user of chosen(dir)) {
    const { seed } = loadCredentials(credentialsFile(dir, user.name));
    const nc = await connectBroker({ url, name: user.name, seed, label: `doctor as ${user.name}` }).catch(
      () => undefined,
    );
    if (nc === undefined) {
      continue;
    }
    try {
      if (isSessionRole(user.role)) {
        tried.push(await tryWhatIsForbidden(nc, user));
      } else {
        rights.push(await rightsOf(nc, user.name, user.role));
      }
    } finally {
      await nc.close();
    }
  }
  return { ...(rights.length === 0 ? {} : { rights }), ...(tried.length === 0 ? {} : { tried }) };
}

function chosen(dir: string): User[] {
  const count = new Map<string, number>();
  return readUsers(dir).filter(({ name, role }) => {
    const nth = count.get(role) ?? 0;
    count.set(role, nth + 1);
    return nth < OF_EACH_ROLE && existsSync(credentialsFile(dir, name));
  });
}

async function tryWhatIsForbidden(nc: NatsConnection, { name, role }: User): Promise<Tried> {
  const attempts = attemptsOf(permissionsOf(role, asToken(name, 'the name of a user')));
  const done = await tryAll(nc, attempts);
  const user = `${role} ${name}`;
  return { user, attempts: attempts.length, done: done.map((one) => `${one.verb} ${one.subject}`) };
}

/** Processes that say who connects, where the server asks. */
export async function lookAtIdentity(nc: NatsConnection, dir: string): Promise<Facts> {
  if (!asksIdentity(dir)) {
    return {};
  }
  const keys = readUsers(dir).flatMap(({ role, publicKey }) => (role === 'identity' ? [publicKey] : []));
  const answering = await listeners(nc, keys, '$SYS.REQ.USER.AUTH').catch(() => 0);
  return { identity: { answering } };
}

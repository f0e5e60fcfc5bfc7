/**
 * Watching the bucket `mesh_identity`: who was put out (gateways and control), and which key a name has (control).
 */
import type { NatsConnection } from '@nats-io/transport-node';
import { isToken } from '../wire/names.js';
import { steadyWatch, type SteadyWatch } from './steady-watch.js';

const REVOKED = 'revoked.';
const NAME = 'name.';

/** What stands of a name that was put out. */
export interface RevokedName {
  readonly atMs: number;
  readonly by: string;
  /** Only what began up to then is out (epoch ms): the name was reinstated, or only its key was revoked. */
  readonly untilMs?: number;
}

/** Told of a name that was put out or reinstated; undefined: nothing of it is out any more. */
export type OnRevoked = (name: string, record: RevokedName | undefined) => void;

/** What is registered under a name. */
export interface RegisteredName {
  readonly role: string;
  /** Its public nkey; missing for a part of the mesh, and when the key was revoked. */
  readonly key?: string;
}

/** Be told who is out. Resolves once all that stands there was told. */
export function watchRevoked(nc: NatsConnection, onRevoked: OnRevoked): Promise<SteadyWatch> {
  return steadyWatch(nc, 'mesh_identity', `${REVOKED}*`, (key, message) => {
    const name = key.slice(REVOKED.length);
    // Keys stand there too; whoever lets connections in looks at those.
    if (isToken(name)) {
      onRevoked(name, message?.json<RevokedName>());
    }
  });
}

/** Be told which key each name has. Resolves once all that stands there was told. */
export function watchNames(
  nc: NatsConnection,
  onName: (name: string, record: RegisteredName | undefined) => void,
): Promise<SteadyWatch> {
  return steadyWatch(nc, 'mesh_identity', `${NAME}*`, (key, message) => {
    onName(key.slice(NAME.length), message?.json<RegisteredName>());
  });
}

/**
 * Files that `mesh up` leaves in the data folder for people: a first policy, and contexts of the `nats` command.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { places, textIfAny, writeWhole } from '../../fabric/folder.js';
import { inboxOf } from '../../fabric/connection.js';
import { nkeyFile } from '../../fabric/users.js';
import { renderPolicy } from '../init/files.js';

/** Write the first policy, unless there is one. Returns its file. */
export function starterPolicy(dir: string): string {
  const file = join(dir, places.policy);
  if (textIfAny(file) === undefined) {
    writeWhole(file, renderPolicy(dir));
  }
  return file;
}

/** Write a context of the `nats` command; it is found with XDG_CONFIG_HOME set to the data folder. */
export function natsContext(dir: string, url: string, name: string): string {
  const folder = join(dir, places.nats, 'context');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, `${name}.json`);
  const context = {
    description: `${name} of the mesh`,
    url,
    nkey: nkeyFile(dir, name),
    inbox_prefix: inboxOf(name),
  };
  writeWhole(file, `${JSON.stringify(context, undefined, 2)}\n`);
  return file;
}
